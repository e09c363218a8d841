//! `[limits]`: how much may go on at once, and how long anybody may keep us waiting.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds on the S3 listener.
///
/// There is no limit on how long a request may take as a whole: a 5 GiB part on a slow link is healthy. What
/// is limited is silence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests being answered at the same time, from their headers to the last byte of their answer. One
    /// more gets `503 SlowDown` at once. More keeps bursts from being refused, fewer bounds memory and keeps
    /// answers quick under overload. Default 1024: several clients at their highest concurrency.
    pub max_in_flight_requests: NonZeroUsize,
    /// Memory for upload bodies on their way to the staging area, all requests together; an upload waits for
    /// its share before its body is read. More lets more large uploads move side by side. Default 48 MiB.
    pub upload_memory_bytes: usize,
    /// Open connections. One more waits, unaccepted, in the kernel's queue. Each costs a file descriptor and
    /// up to `max_header_bytes`. Default 4096: idle connections of client pools are many.
    pub max_connections: NonZeroUsize,
    /// Concurrent requests on one HTTP/2 connection. Fewer is fairer between clients, more is quicker for
    /// one. Default 128.
    pub max_streams_per_connection: u32,
    /// Header lines of one request; more get `431`. Default 100, twice what a presigned upload with full user
    /// metadata sends.
    pub max_headers: NonZeroUsize,
    /// Bytes of request line and headers together, and of the buffer an HTTP/1.1 connection is read through.
    /// More lets bodies arrive in larger pieces and costs that much for each busy connection. Default 64 KiB:
    /// a key of 1024 bytes may take 3 KiB on the wire and user metadata 2 KiB.
    pub max_header_bytes: u32,
    /// How long a client may take for the headers of a request, and how long an HTTP/1.1 connection may idle
    /// between two. Longer spares pooled clients a new connection, shorter frees those of clients that went
    /// away. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub header_read_timeout: Duration,
    /// How long a TLS handshake may take. Default 10 s: several round trips on the worst of links.
    #[serde(with = "humantime_serde")]
    pub tls_handshake_timeout: Duration,
    /// How long a request body may be silent before the request fails with `RequestTimeout`. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub body_idle_timeout: Duration,
    /// How long a client may refuse to take any byte of its answer before the connection is cut. Longer suits
    /// readers that pause in the middle of an object, such as training jobs; shorter frees what a stuck
    /// client holds. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub response_stall_timeout: Duration,
    /// How long requests in flight may go on after the first SIGINT or SIGTERM. Longer loses fewer uploads to
    /// a restart. Default 30 s, as much as container platforms wait before they kill.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        const fn count(value: usize) -> NonZeroUsize {
            NonZeroUsize::new(value).expect("the defaults below are not zero")
        }
        Self {
            max_in_flight_requests: const { count(1024) },
            upload_memory_bytes: 48 << 20,
            max_connections: const { count(4096) },
            max_streams_per_connection: 128,
            max_headers: const { count(100) },
            max_header_bytes: 64 * 1024,
            header_read_timeout: Duration::from_secs(60),
            tls_handshake_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            response_stall_timeout: Duration::from_secs(5 * 60),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
