"""Presigned URLs of both signature versions, followed by a plain HTTP client."""

import re
import time
import urllib.parse

from .context import Context, http, same

BODY = b"written through a URL"


def clients(context: Context):
    # boto3 signs URLs with version 2 for us-east-1 unless told otherwise.
    return {"default": context.s3, "s3v4": context.client(signature_version="s3v4")}


def get_and_put(context: Context):
    bucket = context.bucket()
    for name, client in clients(context).items():
        key = f"a folder/{name} +%2F\u00e9"
        place = {"Bucket": bucket, "Key": key}
        url = client.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
        status, headers, body = http("PUT", url, BODY)
        same(status, 200, f"{name} PUT {body}")
        url = client.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
        same(http("GET", url)[::2], (200, BODY), f"{name} GET")
        status, headers, body = http("GET", url, headers={"Range": "bytes=8-14"})
        same((status, headers["Content-Range"], body), (206, f"bytes 8-14/{len(BODY)}", BODY[8:15]), f"{name} range")
        url = client.generate_presigned_url("head_object", Params=place, ExpiresIn=60)
        same(http("HEAD", url)[0], 200, f"{name} HEAD")
        url = client.generate_presigned_url("delete_object", Params=place, ExpiresIn=60)
        same(http("DELETE", url)[0], 204, f"{name} DELETE")
        same(context.keys(bucket), [])


def content_type_is_signed(context: Context):
    bucket = context.bucket()
    for name, client in clients(context).items():
        place = {"Bucket": bucket, "Key": name, "ContentType": "text/plain"}
        url = client.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
        same(http("PUT", url, BODY, {"Content-Type": "text/html"})[0], 403, name)
        same(http("PUT", url, BODY, {"Content-Type": "text/plain"})[0], 200, name)
        same(context.s3.head_object(Bucket=bucket, Key=name)["ContentType"], "text/plain")


def answer_headers_are_overridden(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    for name, client in clients(context).items():
        place = {"Bucket": bucket, "Key": "k", "ResponseContentDisposition": 'attachment; filename="a b.txt"'}
        url = client.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
        status, headers, _ = http("GET", url)
        same((status, headers["Content-Disposition"]), (200, 'attachment; filename="a b.txt"'), name)


def multipart_through_urls(context: Context):
    bucket = context.bucket()
    upload = context.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1}
    url = context.s3.generate_presigned_url("upload_part", Params=place, ExpiresIn=60)
    status, headers, _ = http("PUT", url, BODY)
    same(status, 200)
    parts = {"Parts": [{"PartNumber": 1, "ETag": headers["ETag"]}]}
    context.s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    same(context.read(bucket, "k"), BODY)


def expired_or_changed_urls_are_refused(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    for name, client in clients(context).items():
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=1)
        changed = re.sub(r"/k\?", "/other?", url)
        status, _, body = http("GET", changed)
        same((status, b"<Code>SignatureDoesNotMatch</Code>" in body), (403, True), f"{name} {body}")
        wait_until_expired(url)
        status, _, body = http("GET", url)
        same((status, b"<Code>AccessDenied</Code>" in body), (403, True), f"{name} {body}")


def wait_until_expired(url: str):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    expiry = int(query["Expires"][0]) if "Expires" in query else time.time() + 1
    time.sleep(max(0.0, expiry - time.time()) + 1.1)  # Whole seconds count, so one more is needed.


CHECKS = [
    get_and_put,
    content_type_is_signed,
    answer_headers_are_overridden,
    multipart_through_urls,
    expired_or_changed_urls_are_refused,
]
