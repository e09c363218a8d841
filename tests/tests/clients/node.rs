//! The AWS SDK for JavaScript, version 3.

use haulout_tests::dataset::Dataset;
use haulout_tests::environment::{node_folder, python_program, source_file};
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use tempfile::TempDir;

use crate::round_trip::aws_environment;

#[test]
fn javascript_sdk_over_http() {
    run(Scheme::Http);
}

#[test]
fn javascript_sdk_over_https() {
    run(Scheme::Https);
}

fn run(scheme: Scheme) {
    let (gateway, dataset) = (Gateway::start(scheme), Dataset::shared());
    let home = TempDir::new().expect("a home is made");
    // `tests/setup.sh` installs Node beside the Python clients.
    let mut command = aws_environment(python_program("node"), home.path(), &gateway);
    command
        .arg(source_file("node/round_trip.mjs"))
        .arg(node_folder())
        .arg(gateway.url())
        .arg(dataset.tree())
        .arg(dataset.big_file());
    program::run(&mut command);
}
