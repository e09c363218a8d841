//! The AWS SDK for Rust.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use haulout_tests::dataset::Dataset;
use haulout_tests::gateway::{Gateway, REGION, Scheme};
use haulout_tests::signature::sha256_hex;
use tempfile::TempDir;

use crate::round_trip::{curl, read_part};

const BUCKET: &str = "rust-sdk";
const PART_BYTES: usize = 8 * 1024 * 1024;

#[test]
fn rust_sdk_over_http() {
    run(Scheme::Http);
}

#[test]
fn rust_sdk_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let (gateway, dataset) = (Gateway::start(scheme), Dataset::shared());
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    runtime.block_on(round_trip(&gateway, &dataset));
}

fn client(gateway: &Gateway) -> Client {
    let credentials = gateway.credentials();
    let (key, secret) = (credentials.access_key_id, credentials.secret_access_key);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(gateway.url())
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .http_client(http_client(gateway))
        // There is no DNS name to put the bucket in front of.
        .force_path_style(true);
    Client::from_conf(config.build())
}

fn http_client(gateway: &Gateway) -> SharedHttpClient {
    let mut trust = TrustStore::empty();
    if let Some(ca_file) = gateway.ca_file() {
        trust = trust.with_pem_certificate(fs::read(ca_file).expect("the CA file is read"));
    }
    let context =
        TlsContext::builder().with_trust_store(trust).build().expect("the CA certificate is well formed");
    let provider = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(provider).tls_context(context).build_https()
}

async fn round_trip(gateway: &Gateway, dataset: &Dataset) {
    let s3 = client(gateway);
    s3.create_bucket().bucket(BUCKET).send().await.expect("the bucket is made");
    upload_tree(&s3, dataset).await;
    upload_in_parts(&s3, &dataset.big_file()).await;

    let mut keys = dataset.keys();
    keys.push("big.bin".to_owned());
    keys.sort();
    assert_eq!(list(&s3).await, keys);
    for key in &dataset.keys() {
        assert_eq!(sha256_hex(&get(&s3, key).await), sha256_hex(&read(&dataset.tree().join(key))), "{key}");
    }
    assert_eq!(sha256_hex(&get(&s3, "big.bin").await), dataset.big_digest_hex());
    range(&s3, &dataset.big_file()).await;
    presigned(&s3, gateway, dataset).await;

    keys.push("presigned".to_owned());
    delete(&s3, &keys).await;
    assert_eq!(list(&s3).await, [""; 0]);
    s3.delete_bucket().bucket(BUCKET).send().await.expect("the bucket is removed");
}

async fn upload_tree(s3: &Client, dataset: &Dataset) {
    for (index, key) in dataset.keys().iter().enumerate() {
        let file = dataset.tree().join(key);
        // The SDK puts the checksum of bytes in memory in a header, that of a stream in a trailer.
        let body = match index % 2 {
            0 => ByteStream::from(read(&file)),
            _ => ByteStream::from_path(&file).await.expect("the file is opened"),
        };
        s3.put_object().bucket(BUCKET).key(key).body(body).send().await.expect("the object is stored");
    }
}

async fn upload_in_parts(s3: &Client, file: &Path) {
    let create = s3.create_multipart_upload().bucket(BUCKET).key("big.bin");
    let upload = create.send().await.expect("the upload starts").upload_id.expect("an upload has an ID");
    let bytes = read(file);
    let mut parts = CompletedMultipartUpload::builder();
    for (part, number) in bytes.chunks(PART_BYTES).zip(1..) {
        let request = s3.upload_part().bucket(BUCKET).key("big.bin").upload_id(&upload).part_number(number);
        let stored = request.body(ByteStream::from(part.to_vec())).send().await.expect("the part is stored");
        let completed = CompletedPart::builder().part_number(number).set_e_tag(stored.e_tag);
        parts = parts.parts(completed.set_checksum_crc32(stored.checksum_crc32).build());
    }
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key("big.bin").upload_id(upload);
    complete.multipart_upload(parts.build()).send().await.expect("the upload completes");
}

async fn list(s3: &Client) -> Vec<String> {
    let mut pages = s3.list_objects_v2().bucket(BUCKET).max_keys(100).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page is listed");
        keys.extend(page.contents().iter().filter_map(|entry| entry.key().map(str::to_owned)));
    }
    keys
}

async fn get(s3: &Client, key: &str) -> Vec<u8> {
    let object = s3.get_object().bucket(BUCKET).key(key).send().await.expect("the object is found");
    object.body.collect().await.expect("the object is read").to_vec()
}

async fn range(s3: &Client, file: &Path) {
    let range = PART_BYTES - 1..3 * PART_BYTES;
    let header = format!("bytes={}-{}", range.start, range.end - 1);
    let request = s3.get_object().bucket(BUCKET).key("big.bin").range(header);
    let body = request.send().await.expect("the range is found").body;
    let bytes = body.collect().await.expect("the range is read").to_vec();
    assert!(bytes == read_part(file, range), "the range differs");
}

async fn presigned(s3: &Client, gateway: &Gateway, dataset: &Dataset) {
    let scratch = TempDir::new().expect("a temporary directory is made");
    let file = scratch.path().join("presigned");
    let config = PresigningConfig::expires_in(Duration::from_mins(10)).expect("ten minutes are allowed");
    let url = s3
        .get_object()
        .bucket(BUCKET)
        .key("big.bin")
        .presigned(config.clone())
        .await
        .expect("the URL is made");
    curl(gateway).arg("--output").arg(&file).run(url.uri());
    dataset.assert_same_big_file(&file);
    let url =
        s3.put_object().bucket(BUCKET).key("presigned").presigned(config).await.expect("the URL is made");
    let source = dataset.tree().join(Dataset::LARGEST_IN_TREE);
    curl(gateway).arg("--upload-file").arg(&source).run(url.uri());
    assert!(get(s3, "presigned").await == read(&source));
}

async fn delete(s3: &Client, keys: &[String]) {
    for batch in keys.chunks(1000) {
        let identifier =
            |key: &String| ObjectIdentifier::builder().key(key).build().expect("the key is given");
        let objects = batch.iter().map(identifier).collect();
        let delete = Delete::builder().set_objects(Some(objects)).build().expect("the keys are given");
        let answer =
            s3.delete_objects().bucket(BUCKET).delete(delete).send().await.expect("the keys are deleted");
        assert_eq!((answer.deleted().len(), answer.errors()), (batch.len(), [].as_slice()));
    }
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).expect("the file is read")
}
