//! curl: its own signing for small things, presigned URLs for everything else.

use std::fs;
use std::path::Path;

use haulout_tests::dataset::Dataset;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::s3::object_request;
use haulout_tests::signature::{Signer, UNSIGNED_PAYLOAD};
use haulout_tests::wire::percent_encode;
use haulout_tests::xml;
use tempfile::TempDir;

use crate::round_trip::{Curl, curl, read_part};

const BUCKET: &str = "curl";

#[test]
fn curl_over_http() {
    run(Scheme::Http);
}

#[test]
fn curl_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let (gateway, dataset) = (Gateway::start(scheme), Dataset::shared());
    let scratch = TempDir::new().expect("a temporary directory is made");
    let bucket_url = format!("{}/{BUCKET}", gateway.url());
    signing_curl(&gateway).arg("--request").arg("PUT").run(&bucket_url);

    let keys = dataset.keys();
    for key in &keys {
        put(&gateway, key, &dataset.tree().join(key));
    }
    // More than 1 MiB, so curl asks for `100 Continue` first.
    put(&gateway, "big.bin", &dataset.big_file());

    let copy = scratch.path().join("copy");
    for key in &keys {
        let file = copy.join(key);
        fs::create_dir_all(file.parent().expect("a file stands in a folder")).expect("a folder is made");
        get(&gateway, key, &file, &[]);
    }
    dataset.assert_same_tree(&copy);
    get(&gateway, "big.bin", &scratch.path().join("big.bin"), &[]);
    dataset.assert_same_big_file(&scratch.path().join("big.bin"));
    ranges(&gateway, &dataset, &scratch.path().join("range"));

    assert_eq!(count_objects(&gateway, &bucket_url), keys.len() + 1);
    for key in keys.iter().map(String::as_str).chain(["big.bin"]) {
        curl(&gateway).arg("--request").arg("DELETE").run(&presigned(&gateway, "DELETE", key));
    }
    signing_curl(&gateway).arg("--request").arg("DELETE").run(&bucket_url);
}

/// Counts the keys of all pages of a listing.
fn count_objects(gateway: &Gateway, bucket_url: &str) -> usize {
    let mut count = 0;
    let mut continuation = String::new();
    loop {
        let listing = signing_curl(gateway).run(&format!("{bucket_url}?{continuation}list-type=2"));
        count += xml::texts(listing.text(), "Key").len();
        match xml::texts(listing.text(), "NextContinuationToken").first() {
            None => return count,
            // In byte order, as they are signed: Debian 12's curl does not sort them.
            Some(token) => continuation = format!("continuation-token={}&", percent_encode(token, "")),
        }
    }
}

fn ranges(gateway: &Gateway, dataset: &Dataset, file: &Path) {
    let big_file = dataset.big_file();
    let size = fs::metadata(&big_file).expect("the large file exists").len();
    let size = usize::try_from(size).expect("the tests run on 64 bits");
    for (argument, range) in [
        ("0-0", 0..1),
        ("16777210-33554450", 16_777_210..33_554_451),
        ("-1000", size - 1000..size),
        (&format!("{}-", size - 5), size - 5..size),
    ] {
        get(gateway, "big.bin", file, &["--range", argument]);
        let found = fs::read(file).expect("curl wrote the file");
        assert!(found == read_part(&big_file, range), "the range {argument} differs");
    }
}

fn put(gateway: &Gateway, key: &str, file: &Path) {
    curl(gateway).arg("--upload-file").arg(file).run(&presigned(gateway, "PUT", key));
}

fn get(gateway: &Gateway, key: &str, file: &Path, options: &[&str]) {
    let command = options.iter().fold(curl(gateway), |command, option| command.arg(option));
    command.arg("--output").arg(file).run(&presigned(gateway, "GET", key));
}

fn presigned(gateway: &Gateway, method: &'static str, key: &str) -> String {
    let mut request = object_request(method, BUCKET, key);
    Signer::now(gateway.credentials()).presign(&mut request, &gateway.endpoint().authority(), 600);
    format!("{}{}", gateway.url(), request.target())
}

/// curl that signs by itself, as in many a shell script.
fn signing_curl(gateway: &Gateway) -> Curl {
    let credentials = gateway.credentials();
    curl(gateway)
        .arg("--aws-sigv4")
        .arg("aws:amz:us-east-1:s3")
        .arg("--user")
        .arg(format!("{}:{}", credentials.access_key_id, credentials.secret_access_key))
        // S3 insists on this header; Debian 12's curl signs for other services of AWS and leaves it out.
        .arg("--header")
        .arg(format!("x-amz-content-sha256: {UNSIGNED_PAYLOAD}"))
}
