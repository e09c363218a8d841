//! S3's operations over the object layer, and the only place with s3s types.
//!
//! s3s turns HTTP into typed requests and typed answers into HTTP; this module says what they mean. What S3
//! reads or writes differently from s3s is put right around it, so that no operation needs to know:
//! [`service()`] is the whole way of a request, `request` and `answer` are its two ends.
//! Start at [`service()`], then `gateway` (which operations there are), then any operation: one a file, named
//! after S3's own name for it.
//!
//! It does not verify signatures, decode chunked uploads or guard sub-resources; that happened further out.
//!
//! What always holds:
//! - What an operation's file does not read of a request was refused before, here or by the admission guard.
//! - Every error code is chosen in `error`, and every error body is written by `answer`.

mod answer;
mod error;
mod gateway;
mod host;
mod keep_alive;
mod request;
mod service;
mod xml_body;

mod checksums;
mod conditions;
mod copy_source;
mod listing;
mod metadata;
mod names;
mod range;
mod upload;
mod view;

mod abort_multipart_upload;
mod absent_configuration;
mod bucket;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_object;
mod delete_objects;
mod get_object;
mod get_object_attributes;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod owner;
mod put_object;
mod upload_part;
mod upload_part_copy;

#[cfg(test)]
mod tests;

pub use gateway::S3Gateway;
pub use service::{S3Http, S3ServiceConfig, service};
