//! `[encryption]`: where the master key comes from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the master key comes from. The variable `HAULOUT_MASTER_KEY` goes before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncryptionSettings {
    /// A file of 64 hexadecimal digits, for keys kept on another disk, in a secret store's mount or on a
    /// stick. It must exist. Absent by default: then `master.key` in the data directory is used, and made on
    /// the first start. That one lies beside the index it opens, so whoever copies the whole data directory
    /// can read everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_key_file: Option<PathBuf>,
}
