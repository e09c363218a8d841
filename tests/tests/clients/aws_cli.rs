//! aws-cli version 1.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use haulout_tests::environment::python_program;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::{Tool, aws_environment, round_trip};

#[test]
fn aws_cli_over_http() {
    run(Scheme::Http);
}

#[test]
fn aws_cli_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let gateway = Gateway::start(scheme);
    round_trip(&gateway, &AwsCli { home: TempDir::new().expect("a home is made"), gateway: &gateway });
}

struct AwsCli<'gateway> {
    home: TempDir,
    gateway: &'gateway Gateway,
}

impl AwsCli<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = aws_environment(python_program("aws"), self.home.path(), self.gateway);
        command.args(["--endpoint-url", &self.gateway.url()]).args(arguments);
        command
    }
}

impl Tool for AwsCli<'_> {
    fn make_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["s3", "mb", &format!("s3://{bucket}")]));
    }

    fn sync_up(&self, folder: &Path, bucket: &str, prefix: &str) -> usize {
        let mut command = self.command(&["s3", "sync", "--no-progress"]);
        program::run(command.arg(folder).arg(format!("s3://{bucket}/{prefix}"))).lines_starting("upload: ")
    }

    fn sync_down(&self, bucket: &str, prefix: &str, folder: &Path) {
        let mut command = self.command(&["s3", "sync", "--no-progress", &format!("s3://{bucket}/{prefix}")]);
        program::run(command.arg(folder));
    }

    fn upload(&self, file: &Path, bucket: &str, key: &str) {
        let mut command = self.command(&["s3", "cp", "--no-progress"]);
        program::run(command.arg(file).arg(format!("s3://{bucket}/{key}")));
    }

    fn download(&self, bucket: &str, key: &str, file: &Path) {
        let mut command = self.command(&["s3", "cp", "--no-progress", &format!("s3://{bucket}/{key}")]);
        program::run(command.arg(file));
    }

    fn count(&self, bucket: &str) -> usize {
        let listing =
            program::run(&mut self.command(&["s3", "ls", "--recursive", &format!("s3://{bucket}")]));
        listing.text().lines().count()
    }

    fn read_range(&self, bucket: &str, key: &str, range: Range<usize>) -> Option<Vec<u8>> {
        let file = self.home.path().join("range");
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        let mut command =
            self.command(&["s3api", "get-object", "--bucket", bucket, "--key", key, "--range", &range]);
        program::run(command.arg(&file));
        Some(fs::read(file).expect("aws wrote the file"))
    }

    fn presign_get(&self, bucket: &str, key: &str) -> String {
        let presigned = program::run(&mut self.command(&["s3", "presign", &format!("s3://{bucket}/{key}")]));
        presigned.text().trim().to_owned()
    }

    fn delete_all(&self, bucket: &str) {
        program::run(&mut self.command(&["s3", "rm", "--recursive", "--quiet", &format!("s3://{bucket}")]));
    }

    fn remove_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["s3", "rb", &format!("s3://{bucket}")]));
    }
}
