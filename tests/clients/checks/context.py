"""What a check is given: clients, a bucket of its own, and ways to say what must happen."""

import contextlib
import itertools
import os
import random
import ssl
import urllib.parse
from http import client as http_client

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1024 * 1024
# S3's smallest part, the last one aside.
PART_MIN = 5 * MIB

_numbers = itertools.count()


class Context:
    def __init__(self, endpoint: str, tree: str, big_file: str):
        self.endpoint = endpoint
        self.tree = tree
        self.big_file = big_file
        self.s3 = self.client()
        self._buckets = []

    def client(self, **config):
        """A client with boto3's defaults, but for what `config` says."""
        return boto3.client("s3", endpoint_url=self.endpoint, config=Config(**config) if config else None)

    def bucket(self) -> str:
        """A fresh bucket, emptied and removed after the check."""
        name = f"check-{os.getpid()}-{next(_numbers)}"
        self.s3.create_bucket(Bucket=name)
        self._buckets.append(name)
        return name

    def keys(self, bucket: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, bucket: str, key: str, **options) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()

    def clean_up(self):
        for bucket in self._buckets:
            for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                self.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            for key in self.keys(bucket):
                self.s3.delete_object(Bucket=bucket, Key=key)
            self.s3.delete_bucket(Bucket=bucket)


def http(method: str, url: str, body: bytes | None = None, headers: dict | None = None):
    """A plain HTTP request: status, headers, body. Adds no header, a content type least of all: it is signed."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
        connection = http_client.HTTPSConnection(parts.netloc, context=trust)
    else:
        connection = http_client.HTTPConnection(parts.netloc)
    with contextlib.closing(connection):
        connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@contextlib.contextmanager
def refused(code: str, status: int):
    """The block must end in this S3 error."""
    try:
        yield
    except ClientError as error:
        found = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        assert found == (code, status), f"expected {(code, status)}, got {found}: {error}"
    else:
        raise AssertionError(f"expected {code} ({status}), but it succeeded")


def same(found, expected, what: str = ""):
    if found != expected:
        shown = [repr(value)[:300] for value in (found, expected)]
        raise AssertionError(f"{what}: got {shown[0]}, expected {shown[1]}")


def random_bytes(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)
