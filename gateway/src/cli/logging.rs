//! The log on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging. To be called once, before anything logs.
///
/// Standard output is left to what was asked for: the first start's notice, settings, blob IDs.
pub(super) fn start(settings: &LogSettings) {
    let filter: EnvFilter = settings.filter.parse().expect("the settings were checked to hold a filter");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Colours are for terminals; in a file they are noise.
        .with_ansi(io::stderr().is_terminal());
    match settings.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
