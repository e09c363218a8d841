//! `[log]`: what is logged and how it looks.

use serde::{Deserialize, Serialize};

/// The log on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `text` for people, `json` (one object a line) for collectors. Default `text`.
    pub format: LogFormat,
    /// Which events are written, as `level` or `target=level`, separated by commas. Default `info,s3s=off`:
    /// s3s logs mistakes of clients as errors of ours. `debug` writes a line for each request.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,s3s=off".to_owned() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}
