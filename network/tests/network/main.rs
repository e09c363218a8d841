//! The network as its users see it: one suite for any implementation of the traits, then what an embedded network
//! adds, and what happens when things break.

#![allow(clippy::unwrap_used, reason = "in a test, also in its helpers, a panic is the failure")]

mod faults;
mod ledger;
mod lifetime;
mod nodes;
mod recorder;
mod repair;
mod suite;
mod world;
