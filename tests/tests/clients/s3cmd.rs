//! s3cmd, which signs on its own and compares ETags with its own MD5.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haulout_tests::environment::python_program;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::{Tool, isolated, round_trip};

#[test]
fn s3cmd_over_http() {
    run(Scheme::Http);
}

#[test]
fn s3cmd_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let gateway = Gateway::start(scheme);
    round_trip(&gateway, &S3cmd::configure(&gateway));
}

struct S3cmd {
    home: TempDir,
    configuration: PathBuf,
}

impl S3cmd {
    fn configure(gateway: &Gateway) -> Self {
        let home = TempDir::new().expect("a home is made");
        let configuration = home.path().join("s3cfg");
        let (host, credentials) = (gateway.endpoint().authority(), gateway.credentials());
        let mut text = format!(
            "[default]\naccess_key = {}\nsecret_key = {}\nhost_base = {host}\nhost_bucket = {host}\nuse_https = {}\n",
            credentials.access_key_id,
            credentials.secret_access_key,
            if gateway.ca_file().is_some() { "True" } else { "False" },
        );
        if let Some(ca_file) = gateway.ca_file() {
            text.push_str(&format!("ca_certs_file = {}\nsignurl_use_https = True\n", ca_file.display()));
        }
        fs::write(&configuration, text).expect("the configuration is written");
        Self { home, configuration }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = isolated(python_program("s3cmd"), self.home.path());
        command.arg("--config").arg(&self.configuration).arg("--no-progress").args(arguments);
        command
    }
}

/// s3cmd tells folders from files by the slash at the end.
fn with_slash(folder: &Path) -> String {
    format!("{}/", folder.display())
}

impl Tool for S3cmd {
    fn make_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["mb", &format!("s3://{bucket}")]));
    }

    fn sync_up(&self, folder: &Path, bucket: &str, prefix: &str) -> usize {
        let mut command = self.command(&["sync", &with_slash(folder), &format!("s3://{bucket}/{prefix}")]);
        program::run(&mut command).lines_starting("upload: ")
    }

    fn sync_down(&self, bucket: &str, prefix: &str, folder: &Path) {
        program::run(&mut self.command(&["sync", &format!("s3://{bucket}/{prefix}"), &with_slash(folder)]));
    }

    fn upload(&self, file: &Path, bucket: &str, key: &str) {
        program::run(self.command(&["put"]).arg(file).arg(format!("s3://{bucket}/{key}")));
    }

    fn download(&self, bucket: &str, key: &str, file: &Path) {
        program::run(self.command(&["get", &format!("s3://{bucket}/{key}")]).arg(file));
    }

    fn count(&self, bucket: &str) -> usize {
        let listing = program::run(&mut self.command(&["ls", "--recursive", &format!("s3://{bucket}")]));
        listing.text().lines().count()
    }

    fn presign_get(&self, bucket: &str, key: &str) -> String {
        let url = program::run(&mut self.command(&["signurl", &format!("s3://{bucket}/{key}"), "+600"]));
        url.text().trim().to_owned()
    }

    fn delete_all(&self, bucket: &str) {
        program::run(&mut self.command(&["del", "--recursive", "--force", &format!("s3://{bucket}")]));
    }

    fn remove_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["rb", &format!("s3://{bucket}")]));
    }
}
