//! The layer as a whole: signed requests in, what the service below sees out.

mod aws_examples;
mod clock;
mod harness;
mod payloads;
mod presigned_v2;
mod presigned_v4;
mod second_signer;
mod tampering;
