//! What the gateway refuses: the code and status AWS would give, and nothing stored.
//!
//! All of it over raw HTTP, since an SDK would not send such requests. The tests share one gateway; each has a
//! bucket of its own, which must be empty at the end, of objects and of uploads.

mod bodies;
mod refusal;
mod requests;
mod signatures;
