//! rclone: Debian's 1.60 (old Go SDK) and the current one, as an unknown store and as AWS.
//!
//! Debian's as AWS is left out: it puts the bucket's name before the endpoint's whatever it is told, and an IP
//! address has no subdomains.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use haulout_tests::environment::{debian_rclone, python_program};
use haulout_tests::gateway::{Gateway, REGION, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::{Tool, isolated, round_trip};

/// rclone's default is 200 MiB, more than the small data set's large file.
const MULTIPART_FROM: &str = "16Mi";

#[test]
fn debian_rclone_as_other_over_http() {
    run(debian_rclone(), "Other", Scheme::Http);
}

#[test]
fn debian_rclone_as_other_over_https() {
    run(debian_rclone(), "Other", Scheme::Https);
}

#[test]
fn rclone_as_other_over_http() {
    run(python_program("rclone"), "Other", Scheme::Http);
}

#[test]
fn rclone_as_other_over_https() {
    run(python_program("rclone"), "Other", Scheme::Https);
}

/// Https only: for AWS, rclone sends streams without a payload signature, which its SDK refuses to do over http.
#[test]
fn rclone_as_aws_over_https() {
    run(python_program("rclone"), "AWS", Scheme::Https);
}

fn run(program: PathBuf, provider: &'static str, scheme: Scheme) {
    let gateway = Gateway::start(scheme);
    let home = TempDir::new().expect("a home is made");
    round_trip(&gateway, &Rclone { program, provider, home, gateway: &gateway });
}

struct Rclone<'gateway> {
    program: PathBuf,
    provider: &'static str,
    home: TempDir,
    gateway: &'gateway Gateway,
}

impl Rclone<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let credentials = self.gateway.credentials();
        let mut command = isolated(&self.program, self.home.path());
        command
            .env("RCLONE_CONFIG", self.home.path().join("rclone.conf"))
            .env("RCLONE_CONFIG_STORE_TYPE", "s3")
            .env("RCLONE_CONFIG_STORE_PROVIDER", self.provider)
            .env("RCLONE_CONFIG_STORE_ENDPOINT", self.gateway.url())
            .env("RCLONE_CONFIG_STORE_REGION", REGION)
            .env("RCLONE_CONFIG_STORE_ACCESS_KEY_ID", credentials.access_key_id)
            .env("RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY", credentials.secret_access_key)
            .env("RCLONE_S3_UPLOAD_CUTOFF", MULTIPART_FROM)
            .args(arguments);
        if let Some(ca_file) = self.gateway.ca_file() {
            command.env("RCLONE_CA_CERT", ca_file);
        }
        command
    }
}

fn remote(bucket: &str, path: &str) -> String {
    format!("store:{bucket}/{path}")
}

impl Tool for Rclone<'_> {
    fn make_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["mkdir", &remote(bucket, "")]));
    }

    fn sync_up(&self, folder: &Path, bucket: &str, prefix: &str) -> usize {
        let mut command = self.command(&["sync", "--verbose"]);
        program::run(command.arg(folder).arg(remote(bucket, prefix))).lines_containing(": Copied (")
    }

    fn sync_down(&self, bucket: &str, prefix: &str, folder: &Path) {
        program::run(self.command(&["sync", &remote(bucket, prefix)]).arg(folder));
    }

    fn upload(&self, file: &Path, bucket: &str, key: &str) {
        program::run(self.command(&["copyto"]).arg(file).arg(remote(bucket, key)));
    }

    fn download(&self, bucket: &str, key: &str, file: &Path) {
        program::run(self.command(&["copyto", &remote(bucket, key)]).arg(file));
    }

    fn count(&self, bucket: &str) -> usize {
        let listing =
            program::run(&mut self.command(&["lsf", "--recursive", "--files-only", &remote(bucket, "")]));
        listing.text().lines().count()
    }

    fn read_range(&self, bucket: &str, key: &str, range: Range<usize>) -> Option<Vec<u8>> {
        let (offset, count) = (range.start.to_string(), range.len().to_string());
        let mut command =
            self.command(&["cat", "--offset", &offset, "--count", &count, &remote(bucket, key)]);
        Some(program::run(&mut command).stdout)
    }

    fn presign_get(&self, bucket: &str, key: &str) -> String {
        program::run(&mut self.command(&["link", "--expire", "10m", &remote(bucket, key)]))
            .text()
            .trim()
            .to_owned()
    }

    fn delete_all(&self, bucket: &str) {
        program::run(&mut self.command(&["delete", &remote(bucket, "")]));
    }

    fn remove_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["rmdir", &remote(bucket, "")]));
    }
}
