//! boto3: a script of its own, since most of S3 is easier to reach from Python.

use std::path::PathBuf;

use haulout_tests::dataset::Dataset;
use haulout_tests::environment::{old_python, python_program, source_file};
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::aws_environment;

#[test]
fn boto3_over_http() {
    run(python_program("python"), Scheme::Http, &[]);
}

#[test]
fn boto3_over_https() {
    run(python_program("python"), Scheme::Https, &[]);
}

/// The last boto3 before default checksums; it does not know the newer parameters of the other sections.
const OLD_SECTIONS: [&str; 3] = ["--only", "round_trip", "presigned"];

#[test]
fn old_boto3_over_http() {
    run(old_python(), Scheme::Http, &OLD_SECTIONS);
}

#[test]
fn old_boto3_over_https() {
    run(old_python(), Scheme::Https, &OLD_SECTIONS);
}

fn run(python: PathBuf, scheme: Scheme, options: &[&str]) {
    let (gateway, dataset) = (Gateway::start(scheme), Dataset::shared());
    let home = TempDir::new().expect("a home is made");
    let mut command = aws_environment(python, home.path(), &gateway);
    command
        // No compiled files in the source folder.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(source_file("clients/boto3_round_trip.py"))
        .args(["--endpoint", &gateway.url()])
        .arg("--tree")
        .arg(dataset.tree())
        .arg("--big-file")
        .arg(dataset.big_file())
        .args(options);
    let output = program::run(&mut command);
    print!("{}", output.text());
}
