//! Real clients with their defaults against a real gateway, over http and over https: SDKs send different bytes
//! over each (checksums in headers and signed payloads, or trailers and no payload signature).
//!
//! Only the endpoint, the region, the keys and the CA are configured. Run one with
//! `cargo test --release -p haulout-tests --test clients aws_cli`.

mod aws_cli;
mod boto3;
mod curl;
mod node;
mod rclone;
mod round_trip;
mod rust_sdk;
mod s3cmd;
mod s5cmd;
