//! HTTP around the S3 service: sockets, TLS, the tower stack every request passes, the admin listener, the
//! drain.
//!
//! Start at [`stack::stack`], which shows the way of a request in one function, and at [`Server`], which
//! brings connections to it. Knows nothing of S3 but how an error looks ([`error_body`]); what it serves is
//! passed in.
//!
//! Invariant: every answer that leaves the stack carries a request ID, errors of any layer included.

pub mod admin;
pub mod error_body;
pub mod metrics_page;
pub mod observe;
pub mod readiness;
pub mod request_id;
pub mod stack;

mod client_stream;
mod in_flight;
mod server;
mod tls;
mod unread_body;

pub use client_stream::{ClientStream, StreamLimits};
pub use in_flight::{InFlight, InFlightLayer};
pub use server::{BindError, Server, Shutdown};
pub use tls::{TlsError, acceptor};
pub use unread_body::{UnreadBody, UnreadBodyLayer};
