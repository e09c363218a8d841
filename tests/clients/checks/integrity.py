"""Checksums: every algorithm, sent or computed, of whole objects and of parts."""

import base64
import hashlib
import zlib

from .context import PART_MIN, Context, random_bytes, refused, same


def reflected_crc(polynomial: int, width: int):
    """A table-driven CRC with all bits inverted before and after, as S3's three CRCs have it."""
    mask = (1 << width) - 1
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)

    def crc(data: bytes) -> bytes:
        value = mask
        for byte in data:
            value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
        return (value ^ mask).to_bytes(width // 8, "big")

    return crc


# Written here, apart from the gateway's code; botocore computes only three of the five without an extension.
ALGORITHMS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": reflected_crc(0x82F63B78, 32),
    "CRC64NVME": reflected_crc(0x9A6C9329AC4BC9B5, 64),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
same(ALGORITHMS["CRC32C"](b"123456789").hex(), "e3069283")
same(ALGORITHMS["CRC64NVME"](b"123456789").hex(), "ae8b14860a799888")

BODY = random_bytes(70_001)


def text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def field(algorithm: str) -> str:
    return f"Checksum{algorithm}"


def default_is_crc32(context: Context):
    bucket = context.bucket()
    expected = text(ALGORITHMS["CRC32"](BODY))
    same(context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)["ChecksumCRC32"], expected)
    head = context.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    same((head["ChecksumCRC32"], head["ChecksumType"]), (expected, "FULL_OBJECT"))
    same(context.read(bucket, "k") == BODY, True)


def every_algorithm(context: Context):
    bucket = context.bucket()
    for algorithm, function in ALGORITHMS.items():
        value = text(function(BODY))
        answer = context.s3.put_object(Bucket=bucket, Key=algorithm, Body=BODY, **{field(algorithm): value})
        same(answer[field(algorithm)], value, algorithm)
        head = context.s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        same(head[field(algorithm)], value, algorithm)
        found = context.s3.get_object_attributes(Bucket=bucket, Key=algorithm, ObjectAttributes=["Checksum"])
        same(found["Checksum"][field(algorithm)], value, algorithm)
        same(context.read(bucket, algorithm) == BODY, True)


def computed_by_the_sdk(context: Context):
    # Over https these are trailers of an aws-chunked body.
    bucket = context.bucket()
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        answer = context.s3.put_object(Bucket=bucket, Key=algorithm, Body=BODY, ChecksumAlgorithm=algorithm)
        same(answer[field(algorithm)], text(ALGORITHMS[algorithm](BODY)), algorithm)
        same(context.read(bucket, algorithm) == BODY, True)


def computed_by_the_gateway(context: Context):
    bucket = context.bucket()
    quiet = context.client(request_checksum_calculation="when_required")
    quiet.put_object(Bucket=bucket, Key="k", Body=BODY)
    head = context.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    same(head["ChecksumCRC64NVME"], text(ALGORITHMS["CRC64NVME"](BODY)))


def wrong_values_store_nothing(context: Context):
    bucket = context.bucket()
    for algorithm, function in ALGORITHMS.items():
        with refused("BadDigest", 400):
            context.s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{field(algorithm): text(function(BODY + b"x"))})
        with refused("InvalidRequest", 400):
            context.s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{field(algorithm): "AAA="})
    with refused("InvalidRequest", 400):
        values = {field(name): text(ALGORITHMS[name](BODY)) for name in ["CRC32", "SHA256"]}
        context.s3.put_object(Bucket=bucket, Key="k", Body=BODY, **values)
    same(context.keys(bucket), [])


def content_md5(context: Context):
    bucket = context.bucket()
    quiet = context.client(request_checksum_calculation="when_required")
    quiet.put_object(Bucket=bucket, Key="right", Body=BODY, ContentMD5=text(hashlib.md5(BODY).digest()))
    with refused("BadDigest", 400):
        quiet.put_object(Bucket=bucket, Key="wrong", Body=BODY, ContentMD5=text(hashlib.md5(b"").digest()))
    with refused("InvalidDigest", 400):
        quiet.put_object(Bucket=bucket, Key="malformed", Body=BODY, ContentMD5="AAAA")
    same(context.keys(bucket), ["right"])


def not_returned_unless_asked(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    quiet = context.client(response_checksum_validation="when_required")
    same("ChecksumCRC32" in quiet.get_object(Bucket=bucket, Key="k"), False)
    same("ChecksumCRC32" in context.s3.head_object(Bucket=bucket, Key="k"), False)
    part = quiet.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-9")
    same("ChecksumCRC32" in part, False, "a range has no checksum of its own")


def in_parts(context: Context, algorithm: str, kind: str) -> tuple[dict, list, list]:
    bucket = context.bucket()
    place = {"Bucket": bucket, "Key": "k"}
    upload = context.s3.create_multipart_upload(**place, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    same((upload["ChecksumAlgorithm"], upload["ChecksumType"]), (algorithm, kind))
    place["UploadId"] = upload["UploadId"]
    bodies = [random_bytes(PART_MIN, 1), random_bytes(1000, 2)]
    parts = []
    for number, body in enumerate(bodies, 1):
        value = text(ALGORITHMS[algorithm](body))
        answer = context.s3.upload_part(**place, PartNumber=number, Body=body, **{field(algorithm): value})
        same(answer[field(algorithm)], value)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], field(algorithm): value})
    same([part[field(algorithm)] for part in context.s3.list_parts(**place)["Parts"]], [part[field(algorithm)] for part in parts])
    return place, bodies, parts


def composite(context: Context):
    for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256"]:
        place, bodies, parts = in_parts(context, algorithm, "COMPOSITE")
        function = ALGORITHMS[algorithm]
        expected = text(function(b"".join(function(body) for body in bodies))) + "-2"
        wrong = [dict(parts[0], **{field(algorithm): text(function(b"other"))}), parts[1]]
        with refused("InvalidPart", 400):
            context.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": wrong})
        answer = context.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        same((answer[field(algorithm)], answer["ChecksumType"]), (expected, "COMPOSITE"), algorithm)
        check_stored(context, place, algorithm, expected, "COMPOSITE", bodies)


def full_object(context: Context):
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME"]:
        place, bodies, parts = in_parts(context, algorithm, "FULL_OBJECT")
        expected = text(ALGORITHMS[algorithm](b"".join(bodies)))
        with refused("BadDigest", 400):
            wrong = {field(algorithm): text(ALGORITHMS[algorithm](b"other")), "ChecksumType": "FULL_OBJECT"}
            context.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, **wrong)
        right = {field(algorithm): expected, "ChecksumType": "FULL_OBJECT"}
        answer = context.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, **right)
        same((answer[field(algorithm)], answer["ChecksumType"]), (expected, "FULL_OBJECT"), algorithm)
        check_stored(context, place, algorithm, expected, "FULL_OBJECT", bodies)


def check_stored(context, place, algorithm, expected, kind, bodies):
    bucket = place["Bucket"]
    head = context.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    same((head[field(algorithm)], head["ChecksumType"]), (expected, kind), algorithm)
    same(context.read(bucket, "k") == b"".join(bodies), True, algorithm)


def impossible_combinations(context: Context):
    bucket = context.bucket()
    for algorithm, kind in [("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")]:
        with refused("InvalidRequest", 400):
            context.s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    same(context.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


def wrong_part_is_not_kept(context: Context):
    bucket = context.bucket()
    place = {"Bucket": bucket, "Key": "k"}
    place["UploadId"] = context.s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    with refused("BadDigest", 400):
        context.s3.upload_part(**place, PartNumber=1, Body=BODY, ChecksumSHA256=text(hashlib.sha256(b"").digest()))
    same("Parts" in context.s3.list_parts(**place), False)


def copies_keep_or_change_it(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    source = {"Bucket": bucket, "Key": "k"}
    answer = context.s3.copy_object(Bucket=bucket, Key="same", CopySource=source)["CopyObjectResult"]
    same(answer["ChecksumCRC32"], text(ALGORITHMS["CRC32"](BODY)))
    answer = context.s3.copy_object(Bucket=bucket, Key="other", CopySource=source, ChecksumAlgorithm="SHA256")
    same(answer["CopyObjectResult"]["ChecksumSHA256"], text(ALGORITHMS["SHA256"](BODY)))


CHECKS = [
    default_is_crc32,
    every_algorithm,
    computed_by_the_sdk,
    computed_by_the_gateway,
    wrong_values_store_nothing,
    content_md5,
    not_returned_unless_asked,
    composite,
    full_object,
    impossible_combinations,
    wrong_part_is_not_kept,
    copies_keep_or_change_it,
]
