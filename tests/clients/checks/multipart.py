"""The life of a multipart upload, and what must be refused on its way."""

import hashlib

from .context import MIB, PART_MIN, Context, random_bytes, refused, same


def started(context: Context, key: str = "k") -> dict:
    bucket = context.bucket()
    upload = context.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    return {"Bucket": bucket, "Key": key, "UploadId": upload}


def add(context: Context, place: dict, number: int, body: bytes) -> dict:
    # Without checksums, since part numbers of uploads with checksums may have no gaps.
    plain = context.client(request_checksum_calculation="when_required")
    answer = plain.upload_part(**place, PartNumber=number, Body=body)
    same(answer["ETag"], f'"{hashlib.md5(body).hexdigest()}"', "a part's ETag is its MD5")
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(context: Context, place: dict, parts: list, **options) -> dict:
    return context.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, **options)


def unequal_parts_with_gaps(context: Context):
    bucket = context.bucket()
    upload = context.s3.create_multipart_upload(
        Bucket=bucket, Key="k", ContentType="text/plain", Metadata={"one": "1"}
    )["UploadId"]
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    bodies = {3: random_bytes(PART_MIN, 1), 7: random_bytes(6 * MIB + 1, 2), 10_000: b"tail"}
    # Out of order, and one part uploaded twice: the later upload of a number counts.
    add(context, place, 7, random_bytes(PART_MIN, 3))
    parts = {number: add(context, place, number, bodies[number]) for number in [10_000, 7, 3]}
    same(context.keys(bucket), [], "nothing is visible before Complete")
    answer = complete(context, place, [parts[number] for number in sorted(parts)], MpuObjectSize=sum(map(len, bodies.values())))
    digests = b"".join(hashlib.md5(bodies[number]).digest() for number in sorted(bodies))
    etag = f'"{hashlib.md5(digests).hexdigest()}-3"'
    same(answer["ETag"], etag)
    read = context.s3.get_object(Bucket=bucket, Key="k")
    same(read["Body"].read() == b"".join(bodies[number] for number in sorted(bodies)), True)
    same((read["ETag"], read["ContentType"], read["Metadata"]), (etag, "text/plain", {"one": "1"}))
    same(context.s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"], etag)

    # A client that lost the answer asks again and must get the same one.
    again = complete(context, place, [parts[number] for number in sorted(parts)])
    same(again["ETag"], etag)


def parts_can_be_read_and_asked_about(context: Context):
    bucket = context.bucket()
    place = {"Bucket": bucket, "Key": "k"}
    place["UploadId"] = context.s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, size in [(1, PART_MIN), (2, 1000)]:
        answer = context.s3.upload_part(
            **place, PartNumber=number, Body=random_bytes(size, number), ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    etag = complete(context, place, parts)["ETag"]
    for number, size in [(1, PART_MIN), (2, 1000)]:
        part = context.s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        same((part["Body"].read() == random_bytes(size, number), part["PartsCount"]), (True, 2), f"part {number}")
        same(part["ResponseMetadata"]["HTTPStatusCode"], 206)
        head = context.s3.head_object(Bucket=bucket, Key="k", PartNumber=number)
        same((head["ContentLength"], head["PartsCount"]), (size, 2))
    with refused("InvalidPartNumber", 416):
        context.s3.get_object(Bucket=bucket, Key="k", PartNumber=3)
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = context.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    # The one place where S3 writes an ETag without quotes.
    same((found["ETag"], found["ObjectSize"], found["StorageClass"]), (etag.strip('"'), PART_MIN + 1000, "STANDARD"))
    same(found["ObjectParts"]["TotalPartsCount"], 2)
    same([part["Size"] for part in found["ObjectParts"]["Parts"]], [PART_MIN, 1000])
    page = context.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1)
    same((page["ObjectParts"]["IsTruncated"], page["ObjectParts"]["NextPartNumberMarker"]), (True, 1))
    same("ETag" in page, False, "only what was asked for")


def parts_are_listed(context: Context):
    place = started(context)
    for number in [1, 2, 5, 9]:
        add(context, place, number, random_bytes(1000 + number, number))
    found = context.s3.list_parts(**place)
    same([(part["PartNumber"], part["Size"]) for part in found["Parts"]], [(1, 1001), (2, 1002), (5, 1005), (9, 1009)])
    pages = context.s3.get_paginator("list_parts").paginate(**place, PaginationConfig={"PageSize": 3})
    pages = [[part["PartNumber"] for part in page["Parts"]] for page in pages]
    same(pages, [[1, 2, 5], [9]])


def uploads_are_listed(context: Context):
    bucket = context.bucket()
    keys = ["a", "a", "b/1", "b/2", "c d+\u00e9", "d"]
    ids = [(key, context.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in keys]
    found = context.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    same(sorted((upload["Key"], upload["UploadId"]) for upload in found), sorted(ids))
    same([upload["Key"] for upload in found], keys)
    paginator = context.s3.get_paginator("list_multipart_uploads")
    for size in [1, 2, 4]:
        pages = paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        paged = [(upload["Key"], upload["UploadId"]) for page in pages for upload in page.get("Uploads", [])]
        same(sorted(paged), sorted(ids), f"pages of {size}")
    folded = context.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    same([entry["Prefix"] for entry in folded["CommonPrefixes"]], ["b/"])
    same([upload["Key"] for upload in folded["Uploads"]], ["a", "a", "c d+\u00e9", "d"])
    below = context.s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")
    same([upload["Key"] for upload in below["Uploads"]], ["b/1", "b/2"])


def abort(context: Context):
    place = started(context)
    part = add(context, place, 1, b"x")
    context.s3.abort_multipart_upload(**place)
    for operation in [
        lambda: add(context, place, 2, b"y"),
        lambda: complete(context, place, [part]),
        lambda: context.s3.list_parts(**place),
        lambda: context.s3.abort_multipart_upload(**place),
    ]:
        with refused("NoSuchUpload", 404):
            operation()
    same(context.s3.list_multipart_uploads(Bucket=place["Bucket"]).get("Uploads", []), [])
    same(context.keys(place["Bucket"]), [])


def bad_completes_keep_the_upload(context: Context):
    place = started(context)
    first = add(context, place, 1, random_bytes(PART_MIN))
    second = add(context, place, 2, b"tail")
    small = add(context, place, 3, b"small")
    wrong = {"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}
    absent = {"PartNumber": 4, "ETag": first["ETag"]}
    for code, parts in [
        ("InvalidPartOrder", [second, first]),
        ("InvalidPart", [wrong, second]),
        ("InvalidPart", [first, absent]),
        ("EntityTooSmall", [first, second, small]),
        ("MalformedXML", []),
    ]:
        with refused(code, 400):
            complete(context, place, parts)
    with refused("InvalidRequest", 400):
        complete(context, place, [first, second], MpuObjectSize=7)
    same(context.keys(place["Bucket"]), [])
    complete(context, place, [first, second])
    same(context.s3.head_object(Bucket=place["Bucket"], Key="k")["ContentLength"], PART_MIN + 4)


def bad_part_numbers(context: Context):
    place = started(context)
    for number in [0, 10_001, -1]:
        with refused("InvalidArgument", 400):
            context.s3.upload_part(**place, PartNumber=number, Body=b"x")
    same("Parts" in context.s3.list_parts(**place), False)


CHECKS = [
    unequal_parts_with_gaps,
    parts_can_be_read_and_asked_about,
    parts_are_listed,
    uploads_are_listed,
    abort,
    bad_completes_keep_the_upload,
    bad_part_numbers,
]
