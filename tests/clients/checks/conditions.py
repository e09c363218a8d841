"""Conditional reads and writes."""

import datetime

from .context import Context, refused, same

BODY = b"version one"


def stored(context: Context) -> tuple[str, str]:
    bucket = context.bucket()
    return bucket, context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)["ETag"]


def reads(context: Context):
    bucket, etag = stored(context)
    now = datetime.datetime.now(datetime.timezone.utc)
    past, future = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=1)
    place = {"Bucket": bucket, "Key": "k"}
    for operation in [context.s3.get_object, context.s3.head_object]:
        head = operation == context.s3.head_object
        operation(**place, IfMatch=etag)
        operation(**place, IfMatch="*")
        operation(**place, IfNoneMatch='"0123"')
        operation(**place, IfModifiedSince=past)
        operation(**place, IfUnmodifiedSince=future)
        # A matching If-Match wins over If-Unmodified-Since, a failing If-None-Match over If-Modified-Since.
        operation(**place, IfMatch=etag, IfUnmodifiedSince=past)
        operation(**place, IfNoneMatch='"0123"', IfModifiedSince=future)
        with refused("412" if head else "PreconditionFailed", 412):
            operation(**place, IfMatch='"0123"')
        with refused("412" if head else "PreconditionFailed", 412):
            operation(**place, IfUnmodifiedSince=past)
        for condition in [{"IfNoneMatch": etag}, {"IfNoneMatch": "*"}, {"IfNoneMatch": etag, "IfModifiedSince": past}]:
            with refused("304", 304):
                operation(**place, **condition)
    last = context.s3.head_object(**place)["LastModified"]
    with refused("304", 304):
        context.s3.get_object(**place, IfModifiedSince=last)


def create_only(context: Context):
    bucket, _ = stored(context)
    with refused("PreconditionFailed", 412):
        context.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")
    same(context.read(bucket, "k"), BODY)
    context.s3.put_object(Bucket=bucket, Key="new", Body=b"new", IfNoneMatch="*")
    same(context.read(bucket, "new"), b"new")
    context.s3.delete_object(Bucket=bucket, Key="k")
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"again", IfNoneMatch="*")


def compare_and_swap(context: Context):
    bucket, etag = stored(context)
    with refused("PreconditionFailed", 412):
        context.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch='"0123"')
    same(context.read(bucket, "k"), BODY)
    second = context.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    with refused("PreconditionFailed", 412):
        context.s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=second)
    same(context.read(bucket, "k"), b"three")
    with refused("NoSuchKey", 404):
        context.s3.put_object(Bucket=bucket, Key="absent", Body=b"x", IfMatch=etag)


def conditional_delete(context: Context):
    bucket, etag = stored(context)
    with refused("PreconditionFailed", 412):
        context.s3.delete_object(Bucket=bucket, Key="k", IfMatch='"0123"')
    same(context.read(bucket, "k"), BODY)
    context.s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    same(context.keys(bucket), [])


def conditional_complete(context: Context):
    bucket, etag = stored(context)

    def complete(key, **condition):
        place = {"Bucket": bucket, "Key": key}
        upload = context.s3.create_multipart_upload(**place)["UploadId"]
        part = context.s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"parts")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        context.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts, **condition)

    with refused("PreconditionFailed", 412):
        complete("k", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        complete("k", IfMatch='"0123"')
    same(context.read(bucket, "k"), BODY)
    complete("k", IfMatch=etag)
    complete("new", IfNoneMatch="*")
    same((context.read(bucket, "k"), context.read(bucket, "new")), (b"parts", b"parts"))


def only_a_star_for_if_none_match(context: Context):
    bucket, etag = stored(context)
    with refused("NotImplemented", 501):
        context.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch=etag)
    same(context.read(bucket, "k"), BODY)


CHECKS = [
    reads,
    create_only,
    compare_and_swap,
    conditional_delete,
    conditional_complete,
    only_a_star_for_if_none_match,
]
