// The AWS SDK for JavaScript against a gateway: a tree of files and a large one, there and back.
//
//     node round_trip.mjs MODULES_FOLDER ENDPOINT TREE BIG_FILE
//
// Keys, region and CA come from the environment. Any difference throws, which ends the process with status 1.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, endpoint, tree, bigFile] = process.argv.slice(2);
// The packages are installed outside the source folder, where `import` does not look.
const require = createRequire(path.join(modules, "package.json"));
const {
  S3Client,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

// As with an endpoint by IP address: there is no DNS name to put the bucket in front of.
const s3 = new S3Client({ endpoint, forcePathStyle: true });
const Bucket = "javascript";
const PARALLEL = 8;

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

/** Runs `work` on all items, a few at a time. */
async function forEach(items, work) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length > 0) await work(queue.pop());
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

async function digest(chunks) {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

async function listed() {
  const keys = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 100 }, { Bucket })) {
    keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
  }
  return keys;
}

async function uploadTree(files) {
  // Buffers for half of them, streams of known length for the other half: the SDK frames them differently.
  await forEach(files.entries(), async ([index, [Key, file]]) => {
    const body = index % 2 === 0 ? { Body: await readFile(file) } : await streamOf(file);
    await s3.send(new PutObjectCommand({ Bucket, Key, ...body }));
  });
}

async function streamOf(file) {
  return { Body: createReadStream(file), ContentLength: (await stat(file)).size };
}

async function uploadBigFile() {
  const upload = new Upload({ client: s3, params: { Bucket, Key: "big.bin", Body: createReadStream(bigFile) } });
  const { ETag } = await upload.done();
  assert.match(ETag, /^"[0-9a-f]{32}-[0-9]+"$/, "a multipart ETag");
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "big.bin" }));
  assert.deepEqual([head.ContentLength, head.ETag], [(await stat(bigFile)).size, ETag]);
}

async function compare(files) {
  await forEach([...files, ["big.bin", bigFile]], async ([Key, file]) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await digest(Body), await digest(createReadStream(file)), Key);
  });
}

async function compareRange() {
  const [start, length] = [5 * 1024 * 1024 - 10, 6 * 1024 * 1024];
  const Range = `bytes=${start}-${start + length - 1}`;
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: "big.bin", Range }));
  const file = await open(bigFile);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
  await file.close();
  assert.equal(Buffer.compare(Buffer.from(await Body.transformToByteArray()), buffer), 0, Range);
}

async function deleteAll(keys) {
  for (let start = 0; start < keys.length; start += 1000) {
    const Objects = keys.slice(start, start + 1000).map((Key) => ({ Key }));
    const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.deepEqual([Deleted.length, Errors ?? []], [Objects.length, []]);
  }
}

const files = (await filesBelow(tree)).map((file) => [path.relative(tree, file), file]);
const bytewise = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));
const keys = [...files.map(([key]) => key), "big.bin"].sort(bytewise);

await s3.send(new CreateBucketCommand({ Bucket }));
await uploadTree(files);
await uploadBigFile();
assert.deepEqual(await listed(), keys);
await compare(files);
await compareRange();
await deleteAll(keys);
assert.deepEqual(await listed(), []);
await s3.send(new DeleteBucketCommand({ Bucket }));
