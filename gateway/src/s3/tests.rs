//! The S3 service in the process, over a real object layer: what operations answer, on the level of HTTP.
//!
//! Signatures, payload framing and the refusal of sub-resources happen further out and are tested there.

mod buckets;
mod listings;
mod multipart;
mod objects;
mod world;
