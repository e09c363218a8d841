//! Haulout: an S3-compatible gateway for Walrus.
//!
//! This crate is the server and the `haulout` command. A request passes [`http`] (listeners and the tower stack),
//! [`admission`] (what we do not implement), [`auth`] (who asks, and a body that proves itself) and [`s3`] (what is
//! asked), and ends in [`objects`] (buckets, objects and uploads). Bytes wait in [`staging`] until [`shipping`] has
//! brought them to the storage network. [`serve`] puts it all together; `main.rs` only calls [`cli`].
//!
//! What always holds: what was acknowledged is synced, what is visible is whole, what is handed out was verified.

pub mod cli;
pub mod config;
pub mod credentials;
pub mod first_start;
pub mod serve;

pub mod addressing;
pub mod admission;
pub mod auth;
pub mod http;
pub mod s3;

pub mod objects;
pub mod shipping;
pub mod staging;

pub mod allocator;
pub mod clock;
