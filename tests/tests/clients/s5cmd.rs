//! s5cmd: hundreds of requests at once, batch deletes.

use std::path::Path;
use std::process::Command;

use haulout_tests::environment::python_program;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::{Tool, aws_environment, round_trip};

#[test]
fn s5cmd_over_http() {
    run(Scheme::Http);
}

#[test]
fn s5cmd_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let gateway = Gateway::start(scheme);
    round_trip(&gateway, &S5cmd { home: TempDir::new().expect("a home is made"), gateway: &gateway });
}

struct S5cmd<'gateway> {
    home: TempDir,
    gateway: &'gateway Gateway,
}

impl S5cmd<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = aws_environment(python_program("s5cmd"), self.home.path(), self.gateway);
        command.args(["--endpoint-url", &self.gateway.url()]).args(arguments);
        command
    }
}

impl Tool for S5cmd<'_> {
    fn make_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["mb", &format!("s3://{bucket}")]));
    }

    fn sync_up(&self, folder: &Path, bucket: &str, prefix: &str) -> usize {
        let source = format!("{}/", folder.display());
        let mut command = self.command(&["sync", &source, &format!("s3://{bucket}/{prefix}")]);
        program::run(&mut command).lines_starting("cp ")
    }

    fn sync_down(&self, bucket: &str, prefix: &str, folder: &Path) {
        let target = format!("{}/", folder.display());
        program::run(&mut self.command(&["sync", &format!("s3://{bucket}/{prefix}*"), &target]));
    }

    fn upload(&self, file: &Path, bucket: &str, key: &str) {
        program::run(self.command(&["cp"]).arg(file).arg(format!("s3://{bucket}/{key}")));
    }

    fn download(&self, bucket: &str, key: &str, file: &Path) {
        program::run(self.command(&["cp", &format!("s3://{bucket}/{key}")]).arg(file));
    }

    fn count(&self, bucket: &str) -> usize {
        program::run(&mut self.command(&["ls", &format!("s3://{bucket}/*")])).text().lines().count()
    }

    fn presign_get(&self, bucket: &str, key: &str) -> String {
        program::run(&mut self.command(&["presign", &format!("s3://{bucket}/{key}")]))
            .text()
            .trim()
            .to_owned()
    }

    fn delete_all(&self, bucket: &str) {
        program::run(&mut self.command(&["rm", &format!("s3://{bucket}/*")]));
    }

    fn remove_bucket(&self, bucket: &str) {
        program::run(&mut self.command(&["rb", &format!("s3://{bucket}")]));
    }
}
