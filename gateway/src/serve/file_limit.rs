//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Raises the limit as far as the system lets us. Its usual default of 1024 is for programs of 1980's
/// `select`; our connections alone may be more, and an index that cannot open its files stops.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => debug!(before = ?limit.current, now = ?limit.maximum, "raised the limit of open files"),
        Err(error) => warn!(%error, "cannot raise the limit of open files, many connections may exhaust it"),
    }
}
