"""CopyObject and UploadPartCopy."""

import datetime

from .context import MIB, PART_MIN, Context, random_bytes, refused, same


def directives(context: Context):
    bucket, other = context.bucket(), context.bucket()
    body = random_bytes(300_000)
    etag = context.s3.put_object(
        Bucket=bucket, Key="k", Body=body, Metadata={"one": "1"}, ContentType="text/plain"
    )["ETag"]
    source = {"Bucket": bucket, "Key": "k"}

    answer = context.s3.copy_object(Bucket=other, Key="copy", CopySource=source)
    same(answer["CopyObjectResult"]["ETag"], etag)
    copy = context.s3.get_object(Bucket=other, Key="copy")
    same((copy["Body"].read() == body, copy["Metadata"], copy["ContentType"]), (True, {"one": "1"}, "text/plain"))

    context.s3.copy_object(
        Bucket=bucket, Key="replaced", CopySource=source, MetadataDirective="REPLACE", Metadata={"two": "2"}
    )
    replaced = context.s3.head_object(Bucket=bucket, Key="replaced")
    same((replaced["Metadata"], replaced["ContentType"]), ({"two": "2"}, "binary/octet-stream"))

    # Without REPLACE, metadata in the request is ignored.
    context.s3.copy_object(Bucket=bucket, Key="copied", CopySource=source, Metadata={"two": "2"})
    same(context.s3.head_object(Bucket=bucket, Key="copied")["Metadata"], {"one": "1"})

    context.s3.delete_object(Bucket=bucket, Key="k")
    same(context.read(other, "copy") == body, True, "a copy outlives its source")


def onto_itself(context: Context):
    bucket = context.bucket()
    body = random_bytes(100_000)
    context.s3.put_object(Bucket=bucket, Key="k", Body=body, Metadata={"one": "1"})
    source = {"Bucket": bucket, "Key": "k"}
    with refused("InvalidRequest", 400):
        context.s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    context.s3.copy_object(
        Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"mtime": "5.5"}
    )
    same(context.s3.head_object(Bucket=bucket, Key="k")["Metadata"], {"mtime": "5.5"})
    same(context.read(bucket, "k") == body, True)


def odd_source_keys(context: Context):
    bucket = context.bucket()
    for key in ["a b", "a+b", "a%2Fb", "a?b=c", "\u65e5\u672c", "a//b", "/a"]:
        context.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        context.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
        same(context.read(bucket, "copy"), key.encode(), key)


def conditions(context: Context):
    bucket = context.bucket()
    etag = context.s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    place = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    last = context.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    past = last - datetime.timedelta(hours=1)
    for condition in [
        {"CopySourceIfMatch": '"0123"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfUnmodifiedSince": past},
        {"CopySourceIfModifiedSince": last},
    ]:
        with refused("PreconditionFailed", 412):
            context.s3.copy_object(**place, **condition)
    same(context.keys(bucket), ["k"])
    context.s3.copy_object(**place, CopySourceIfMatch=etag, CopySourceIfModifiedSince=past)
    with refused("PreconditionFailed", 412):
        context.s3.copy_object(**place, IfNoneMatch="*")
    same(context.keys(bucket), ["copy", "k"])


def absent_source(context: Context):
    bucket = context.bucket()
    with refused("NoSuchKey", 404):
        context.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "absent"})
    with refused("NoSuchBucket", 404):
        context.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket + "-absent", "Key": "k"})
    same(context.keys(bucket), [])


def parts(context: Context):
    bucket = context.bucket()
    body = random_bytes(12 * MIB + 3)
    context.s3.put_object(Bucket=bucket, Key="k", Body=body)
    place = {"Bucket": bucket, "Key": "assembled"}
    upload = context.s3.create_multipart_upload(**place)["UploadId"]
    # Backwards, so that nothing can be right by copying the whole.
    cuts = [(6 * MIB, 12 * MIB + 3), (0, PART_MIN), (PART_MIN - 1, 6 * MIB)]
    done = []
    for number, (start, end) in enumerate(cuts, 1):
        answer = context.s3.upload_part_copy(
            **place,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": "k"},
            CopySourceRange=f"bytes={start}-{end - 1}",
        )
        done.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    with refused("InvalidArgument", 400):
        context.s3.upload_part_copy(
            **place, UploadId=upload, PartNumber=4, CopySource={"Bucket": bucket, "Key": "k"}, CopySourceRange="bytes=0-"
        )
    context.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})
    same(context.read(bucket, "assembled") == b"".join(body[start:end] for start, end in cuts), True)


def large_copy_by_the_transfer_manager(context: Context):
    bucket = context.bucket()
    body = random_bytes(9 * MIB)
    context.s3.put_object(Bucket=bucket, Key="k", Body=body, Metadata={"one": "1"})
    context.s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy")
    same(context.read(bucket, "copy") == body, True)
    same(context.s3.head_object(Bucket=bucket, Key="copy")["Metadata"], {"one": "1"})


CHECKS = [directives, onto_itself, odd_source_keys, conditions, absent_source, parts, large_copy_by_the_transfer_manager]
