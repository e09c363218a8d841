"""Listings against a model: the sorted keys, cut as AWS documents it."""

import random

from .context import Context, refused, same

KEYS = sorted(
    [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a/\u00e9",
        "a b/c",
        "a+b",
        "a%2Fb",
        "ab",
        "b//c",
        "b/c",
        "/x",
        "//y",
        "c-1",
        "c-2",
        "c.d",
        "caf\u00e9/1",
        "caf\u00e9/2",
        "cafe\u0301/1",
        "z\uffff",
        "z\U0001f9ad",
        "z<&>",
        "\u65e5\u672c/\u8a9e",
    ]
    + [f"many/{index:02}/{leaf}" for index in range(12) for leaf in "xyz"],
    key=str.encode,
)


def filled(context: Context) -> str:
    bucket = context.bucket()
    for key in KEYS:
        context.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def model(prefix: str, delimiter: str, after: str) -> list[tuple[str, bool]]:
    """What all pages together must show: (key, False) or (common prefix, True), in order."""
    found = []
    for key in KEYS:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if end < 0 else (key[: end + len(delimiter)], True)
        if not found or found[-1] != entry:
            found.append(entry)
    return found


def entries(page) -> list[tuple[str, bool]]:
    keys = [(entry["Key"], False) for entry in page.get("Contents", [])]
    prefixes = [(entry["Prefix"], True) for entry in page.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=lambda entry: entry[0].encode())


def version_2(context: Context):
    bucket = filled(context)
    for prefix, delimiter, after, size in cases():
        found, token = [], {}
        while True:
            page = context.s3.list_objects_v2(
                Bucket=bucket, Prefix=prefix, Delimiter=delimiter, StartAfter=after, MaxKeys=size, **token
            )
            same(page["KeyCount"], len(entries(page)), "KeyCount counts common prefixes")
            same(page["KeyCount"] <= size, True, "MaxKeys")
            found += entries(page)
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        same(found, model(prefix, delimiter, after), f"{(prefix, delimiter, after, size)}")


def version_1(context: Context):
    bucket = filled(context)
    for prefix, delimiter, after, size in cases():
        found, marker = [], after
        while True:
            page = context.s3.list_objects(
                Bucket=bucket, Prefix=prefix, Delimiter=delimiter, Marker=marker, MaxKeys=size
            )
            found += entries(page)
            if not page["IsTruncated"]:
                break
            # AWS promises NextMarker only with a delimiter; without, the last key serves.
            marker = page.get("NextMarker") or page["Contents"][-1]["Key"]
        same(found, model(prefix, delimiter, after), f"{(prefix, delimiter, after, size)}")


def cases():
    yield from [("", "", "", 1000), ("", "/", "", 1000), ("", "/", "", 1), ("a/", "/", "", 2), ("many/", "/", "", 5)]
    yield from [("caf\u00e9", "/", "", 1), ("absent", "/", "", 10), ("a", "", "", 3), ("", "-", "", 2)]
    yield from [("many/", "", "many/05/y", 7), ("", "", "zz", 10), ("", "an", "", 3)]
    chance = random.Random(7)
    for _ in range(25):
        key = chance.choice(KEYS)
        prefix = key[: chance.randrange(len(key) + 1)]
        after = chance.choice(["", "", chance.choice(KEYS)])
        # With a delimiter, StartAfter inside a common prefix is AWS's corner that no client relies on.
        delimiter = "" if after else chance.choice(["", "/", "/", "a"])
        yield prefix, delimiter, after, chance.choice([1, 2, 3, 10, 1000])


def entries_say_what_head_says(context: Context):
    bucket = filled(context)
    page = context.s3.list_objects_v2(Bucket=bucket, MaxKeys=5, FetchOwner=True)
    for entry in page["Contents"]:
        head = context.s3.head_object(Bucket=bucket, Key=entry["Key"])
        same((entry["ETag"], entry["Size"]), (head["ETag"], head["ContentLength"]))
        same(entry["LastModified"].replace(microsecond=0), head["LastModified"])
        same(entry["StorageClass"], "STANDARD")
        same("ID" in entry["Owner"], True)
        same(entry["ChecksumAlgorithm"], ["CRC32"])


def no_entries_asked_for(context: Context):
    bucket = filled(context)
    for page in [
        context.s3.list_objects_v2(Bucket=bucket, MaxKeys=0),
        context.s3.list_objects(Bucket=bucket, MaxKeys=0),
    ]:
        same((entries(page), page["IsTruncated"]), ([], False))


def a_deleted_key_does_not_disturb_paging(context: Context):
    bucket = filled(context)
    page = context.s3.list_objects_v2(Bucket=bucket, MaxKeys=5)
    for entry in page["Contents"][-2:]:
        context.s3.delete_object(Bucket=bucket, Key=entry["Key"])
    page = context.s3.list_objects_v2(Bucket=bucket, MaxKeys=5, ContinuationToken=page["NextContinuationToken"])
    same([entry["Key"] for entry in page["Contents"]], KEYS[5:10])


def bad_arguments(context: Context):
    bucket = context.bucket()
    with refused("InvalidArgument", 400):
        context.s3.list_objects_v2(Bucket=bucket, ContinuationToken="not one of ours")
    with refused("InvalidArgument", 400):
        context.s3.list_objects_v2(Bucket=bucket, MaxKeys=-1)


CHECKS = [
    version_2,
    version_1,
    entries_say_what_head_says,
    no_entries_asked_for,
    a_deleted_key_does_not_disturb_paging,
    bad_arguments,
]
