"""Single objects: keys, metadata, ranges, deletion, buckets, and what the gateway refuses."""

import hashlib

from .context import Context, http, random_bytes, refused, same

# No "." and ".." between slashes: urllib3 would resolve them before they are sent.
ODD_KEYS = [
    "space in key",
    " leading and trailing ",
    "plus+",
    "percent%2Fkey",
    "percent%",
    "a//b",
    "/leading",
    "//two",
    "trailing/",
    "...",
    "composed-\u00e9",
    "decomposed-e\u0301",
    "\U0001f9ad",
    "\u65e5\u672c",
    "<&>\"'",
    "?query=1&x#fragment",
    "back\\slash",
    "star*",
    "colon:semi;comma,",
    "tab\tkey",
    "line\nfeed",
    "control\x01\x1f\x7f",
    "x" * 1024,
    "\u00e9" * 512,
]


def any_key(context: Context):
    bucket = context.bucket()
    for index, key in enumerate(ODD_KEYS):
        context.s3.put_object(Bucket=bucket, Key=key, Body=str(index).encode())
    for index, key in enumerate(ODD_KEYS):
        same(context.read(bucket, key), str(index).encode(), repr(key))
        context.s3.head_object(Bucket=bucket, Key=key)
    same(context.keys(bucket), sorted(ODD_KEYS, key=str.encode), "listing")
    for key in ODD_KEYS[::2]:
        context.s3.delete_object(Bucket=bucket, Key=key)
    same(context.keys(bucket), sorted(ODD_KEYS[1::2], key=str.encode), "listing after deletes")
    # Control characters cannot stand in a DeleteObjects document of XML 1.0, so boto3 cannot send them.
    rest = [key for key in ODD_KEYS[1::2] if key.isprintable()]
    context.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in rest], "Quiet": True})
    same(context.keys(bucket), sorted(set(ODD_KEYS[1::2]) - set(rest), key=str.encode), "after DeleteObjects")


def too_long_a_key(context: Context):
    bucket = context.bucket()
    for key in ["x" * 1025, "\u00e9" * 513]:
        with refused("KeyTooLongError", 400):
            context.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    same(context.keys(bucket), [])


def metadata(context: Context):
    bucket = context.bucket()
    system = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'inline; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
    }
    user = {"one": "1", "two-words": "a  b", "upper": "MiXed"}
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=user, **system)
    for answer in [context.s3.head_object(Bucket=bucket, Key="k"), context.s3.get_object(Bucket=bucket, Key="k")]:
        same({name: answer[name] for name in system}, system)
        same(answer["Metadata"], user)
    context.s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    same(context.s3.head_object(Bucket=bucket, Key="plain")["ContentType"], "binary/octet-stream")


def unicode_metadata(context: Context):
    # boto3 refuses to send it, other clients encode it as RFC 2047; S3 answers in that form.
    bucket = context.bucket()
    encoded = "=?UTF-8?B?w6TDtsO8?="
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"name": encoded})
    found = context.s3.head_object(Bucket=bucket, Key="k")["Metadata"]["name"]
    same(found.upper() in (encoded.upper(), "=?UTF-8?Q?=C3=A4=C3=B6=C3=BC?="), True, found)


def metadata_limit(context: Context):
    bucket = context.bucket()
    with refused("MetadataTooLarge", 400):
        context.s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"name": "v" * 2048})
    same(context.keys(bucket), [])


def overwrite_is_read_at_once(context: Context):
    bucket = context.bucket()
    for index in range(20):
        body = random_bytes(10_000 + index, seed=index)
        etag = context.s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
        same(etag, f'"{hashlib.md5(body).hexdigest()}"')
        answer = context.s3.get_object(Bucket=bucket, Key="k")
        same((answer["ETag"], answer["Body"].read()), (etag, body))
        same(context.s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"], etag)


def ranges(context: Context):
    bucket = context.bucket()
    body = random_bytes(100_000)
    context.s3.put_object(Bucket=bucket, Key="k", Body=body)
    context.s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    for text, start, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99999", 0, 100_000),
        ("bytes=100-199", 100, 200),
        ("bytes=99999-", 99_999, 100_000),
        ("bytes=50000-", 50_000, 100_000),
        ("bytes=-1", 99_999, 100_000),
        ("bytes=-65537", 34_463, 100_000),
        ("bytes=-200000", 0, 100_000),
        ("bytes=99000-200000", 99_000, 100_000),
    ]:
        expected = body[start:end]
        answer = context.s3.get_object(Bucket=bucket, Key="k", Range=text)
        same(answer["Body"].read() == expected, True, text)
        same(answer["ResponseMetadata"]["HTTPStatusCode"], 206, text)
        same(answer["ContentRange"], f"bytes {start}-{end - 1}/{len(body)}", text)
        head = context.s3.head_object(Bucket=bucket, Key="k", Range=text)
        same((head["ContentLength"], head["ResponseMetadata"]["HTTPStatusCode"]), (len(expected), 206), text)
    for key, text in [("k", "bytes=100000-"), ("k", "bytes=-0"), ("empty", "bytes=0-0")]:
        with refused("InvalidRange", 416):
            context.s3.get_object(Bucket=bucket, Key=key, Range=text)
    # What is no valid single range is no range at all.
    for text in ["bytes=5-2", "lines=1-2", "bytes=a-b"]:
        answer = context.s3.get_object(Bucket=bucket, Key="k", Range=text)
        same((answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentLength"]), (200, len(body)), text)


def if_range(context: Context):
    bucket = context.bucket()
    etag = context.s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")["ETag"]
    url = context.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    current = http("GET", url, headers={"Range": "bytes=2-4", "If-Range": etag})
    same(current[::2], (206, b"234"))
    stale = http("GET", url, headers={"Range": "bytes=2-4", "If-Range": '"0123"'})
    same(stale[::2], (200, b"0123456789"))


def absent_things(context: Context):
    bucket = context.bucket()
    with refused("NoSuchKey", 404):
        context.s3.get_object(Bucket=bucket, Key="absent")
    with refused("404", 404):
        context.s3.head_object(Bucket=bucket, Key="absent")
    same(context.s3.delete_object(Bucket=bucket, Key="absent")["ResponseMetadata"]["HTTPStatusCode"], 204)
    absent = bucket + "-absent"
    for operation in [
        lambda: context.s3.get_object(Bucket=absent, Key="k"),
        lambda: context.s3.put_object(Bucket=absent, Key="k", Body=b"x"),
        lambda: context.s3.delete_object(Bucket=absent, Key="k"),
        lambda: context.s3.list_objects_v2(Bucket=absent),
        lambda: context.s3.create_multipart_upload(Bucket=absent, Key="k"),
        lambda: context.s3.delete_bucket(Bucket=absent),
        lambda: context.s3.get_bucket_location(Bucket=absent),
    ]:
        with refused("NoSuchBucket", 404):
            operation()
    with refused("404", 404):
        context.s3.head_bucket(Bucket=absent)


def delete_many(context: Context):
    bucket = context.bucket()
    keys = [f"k{index:04}" for index in range(30)]
    for key in keys:
        context.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    wanted = keys[:20] + ["absent"]
    answer = context.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in wanted]})
    same(sorted(entry["Key"] for entry in answer["Deleted"]), sorted(wanted), "an absent key counts as deleted")
    same(answer.get("Errors", []), [])
    same(context.keys(bucket), keys[20:])
    answer = context.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys[20:]], "Quiet": True}
    )
    same((answer.get("Deleted", []), answer.get("Errors", [])), ([], []), "quiet")
    same(context.keys(bucket), [])
    with refused("MalformedXML", 400):
        context.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})


def buckets(context: Context):
    first, second = context.bucket(), context.bucket()
    names = [entry["Name"] for entry in context.s3.list_buckets()["Buckets"]]
    same([name for name in names if name in (first, second)], sorted([first, second]))
    pages = context.s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1})
    same([entry["Name"] for page in pages for entry in page["Buckets"]], names, "pages of one")
    prefixed = context.s3.list_buckets(Prefix=second)["Buckets"]
    same([entry["Name"] for entry in prefixed if entry["Name"] == second], [second])
    same(context.s3.get_bucket_location(Bucket=first)["LocationConstraint"], None)
    same(context.s3.head_bucket(Bucket=first)["BucketRegion"], "us-east-1")
    with refused("BucketAlreadyOwnedByYou", 409):
        context.s3.create_bucket(Bucket=first)
    context.s3.put_object(Bucket=first, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        context.s3.delete_bucket(Bucket=first)


def nothing_configured(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    same(context.s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"], [])
    same("Status" in context.s3.get_bucket_versioning(Bucket=bucket), False)
    same(context.s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"], "FULL_CONTROL")
    same(context.s3.get_object_acl(Bucket=bucket, Key="k")["Grants"][0]["Permission"], "FULL_CONTROL")
    for code, operation in [
        ("NoSuchTagSet", context.s3.get_bucket_tagging),
        ("NoSuchBucketPolicy", context.s3.get_bucket_policy),
        ("NoSuchCORSConfiguration", context.s3.get_bucket_cors),
        ("NoSuchLifecycleConfiguration", context.s3.get_bucket_lifecycle_configuration),
        ("NoSuchWebsiteConfiguration", context.s3.get_bucket_website),
        ("ServerSideEncryptionConfigurationNotFoundError", context.s3.get_bucket_encryption),
        ("ObjectLockConfigurationNotFoundError", context.s3.get_object_lock_configuration),
    ]:
        with refused(code, 404):
            operation(Bucket=bucket)


def not_implemented(context: Context):
    bucket = context.bucket()
    context.s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    place = {"Bucket": bucket, "Key": "k"}
    s3 = context.s3
    for operation in [
        lambda: s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        lambda: s3.put_object_acl(**place, ACL="public-read"),
        lambda: s3.put_object(**place, Body=b"new", Tagging="a=b"),
        lambda: s3.put_object(**place, Body=b"new", ACL="public-read"),
        lambda: s3.put_object(**place, Body=b"new", StorageClass="GLACIER"),
        lambda: s3.put_object(**place, Body=b"new", ServerSideEncryption="aws:kms"),
        lambda: s3.put_object(**place, Body=b"new", WebsiteRedirectLocation="/x"),
        lambda: s3.restore_object(**place, RestoreRequest={"Days": 1}),
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_policy(Bucket=bucket, Policy="{}"),
        lambda: s3.delete_bucket_policy(Bucket=bucket),
        lambda: s3.list_object_versions(Bucket=bucket),
        lambda: s3.select_object_content(
            **place,
            Expression="SELECT * FROM s3object",
            ExpressionType="SQL",
            InputSerialization={"CSV": {}},
            OutputSerialization={"CSV": {}},
        ),
    ]:
        with refused("NotImplemented", 501):
            operation()
    same(context.read(bucket, "k"), b"kept")


CHECKS = [
    any_key,
    too_long_a_key,
    metadata,
    unicode_metadata,
    metadata_limit,
    overwrite_is_read_at_once,
    ranges,
    if_range,
    absent_things,
    delete_many,
    buckets,
    nothing_configured,
    not_implemented,
]
