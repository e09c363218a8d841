//! What the index promises, through its public interface, on a real database each.

#![expect(clippy::unwrap_used, reason = "all of it is tests, also what is not marked as one")]

mod accounting;
mod buckets;
mod crash;
mod fixture;
mod listing;
mod objects;
mod races;
mod shipping;
mod uploads;
