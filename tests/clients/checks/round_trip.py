"""A source tree and a large file, there and back, with boto3's defaults."""

import hashlib
import os
import pathlib
import tempfile

from boto3.s3.transfer import TransferConfig, create_transfer_manager

from .context import Context, same


def digest(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_and_big_file(context: Context):
    bucket = context.bucket()
    root = pathlib.Path(context.tree)
    files = {f"tree/{path.relative_to(root)}": path for path in root.rglob("*") if path.is_file()}
    files["big.bin"] = pathlib.Path(context.big_file)

    # One manager for all files: to start one for each, as `upload_file` does, takes old versions 0.2 s.
    with create_transfer_manager(context.s3, TransferConfig()) as manager:
        uploads = [manager.upload(str(path), bucket, key) for key, path in files.items()]
        for upload in uploads:
            upload.result()

    same(context.keys(bucket), sorted(files, key=str.encode), "ListObjectsV2")
    pages = context.s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 100})
    sizes = {entry["Key"]: entry["Size"] for page in pages for entry in page["Contents"]}
    same(sizes, {key: path.stat().st_size for key, path in files.items()}, "ListObjects")

    with tempfile.TemporaryDirectory() as copy, create_transfer_manager(context.s3, TransferConfig()) as manager:
        targets = {key: os.path.join(copy, str(number)) for number, key in enumerate(files)}
        downloads = [manager.download(bucket, key, target) for key, target in targets.items()]
        for download in downloads:
            download.result()
        for key, path in files.items():
            same(digest(targets[key]), digest(path), key)

    keys = context.keys(bucket)
    for start in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[start : start + 1000]]
        answer = context.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
        same(sorted(entry["Key"] for entry in answer["Deleted"]), sorted(entry["Key"] for entry in objects))
    same(context.keys(bucket), [], "after DeleteObjects")


def one_file_at_a_time(context: Context):
    bucket = context.bucket()
    context.s3.upload_file(context.big_file, bucket, "big.bin")
    same("-" in context.s3.head_object(Bucket=bucket, Key="big.bin")["ETag"], True, "it went up in parts")
    with tempfile.TemporaryDirectory() as copy:
        target = os.path.join(copy, "big.bin")
        context.s3.download_file(bucket, "big.bin", target)
        same(digest(target), digest(context.big_file))
    ranges_of_the_big_file(context, bucket)


def ranges_of_the_big_file(context: Context, bucket: str):
    size = os.path.getsize(context.big_file)
    edge = 8 * 1024 * 1024  # Where boto3's first part ends.
    with open(context.big_file, "rb") as file:
        for start, length in [(0, 1), (edge - 1, 2), (edge, 1), (edge - 70_000, 3 * edge), (size - 1, 1)]:
            length = min(length, size - start)
            file.seek(start)
            answer = context.s3.get_object(Bucket=bucket, Key="big.bin", Range=f"bytes={start}-{start + length - 1}")
            same(answer["Body"].read() == file.read(length), True, f"bytes {start}+{length}")
            same(answer["ContentRange"], f"bytes {start}-{start + length - 1}/{size}")


def empty_object(context: Context):
    bucket = context.bucket()
    answer = context.s3.put_object(Bucket=bucket, Key="empty")
    same(answer["ETag"], '"d41d8cd98f00b204e9800998ecf8427e"')
    same(context.read(bucket, "empty"), b"")
    same(context.s3.head_object(Bucket=bucket, Key="empty")["ContentLength"], 0)


CHECKS = [tree_and_big_file, one_file_at_a_time, empty_object]
