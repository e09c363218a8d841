//! The two files AWS tools read.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".

use zeroize::Zeroizing;

use super::{Credentials, InvalidKeyPair};
use crate::config::Region;
use crate::first_start::{DataDir, PrivateFileError, read_private_file, write_private_file};

/// Name of the shared credentials file in the data directory.
pub const CREDENTIALS_FILE: &str = "credentials";
/// Name of the AWS config file in the data directory.
pub const AWS_CONFIG_FILE: &str = "aws-config";
const PROFILE: &str = "default";
const ACCESS_KEY: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";

/// A credentials file without a usable pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentialsFile {
    /// A line is missing from the profile.
    #[error("the profile [default] has no {name}")]
    Missing {
        /// Name of the missing line.
        name: &'static str,
    },
    /// The pair is there but no client could use it.
    #[error(transparent)]
    KeyPair(#[from] InvalidKeyPair),
}

/// Makes `aws-config` in `data_dir` say where this gateway is: `endpoint` (a URL) and `region`. Left alone if
/// it says so already.
///
/// # Errors
/// [`PrivateFileError`] if it cannot be written.
pub fn write_aws_config(data_dir: &DataDir, endpoint: &str, region: &Region) -> Result<(), PrivateFileError> {
    let path = data_dir.path().join(AWS_CONFIG_FILE);
    let wanted = render_config(endpoint, region);
    if read_private_file(&path)?.is_some_and(|existing| *existing == wanted) {
        return Ok(());
    }
    write_private_file(&path, &wanted)
}

pub(super) fn render_credentials(credentials: &Credentials) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "[{PROFILE}]\n{ACCESS_KEY} = {}\n{SECRET_KEY} = {}\n",
        credentials.access_key(),
        credentials.secret_key().expose()
    ))
}

/// Reads the pair of the profile `[default]`; other profiles and other lines are somebody else's.
pub(super) fn parse_credentials(text: &str) -> Result<Credentials, InvalidCredentialsFile> {
    let value = |name| value_in_profile(text, name).ok_or(InvalidCredentialsFile::Missing { name });
    Ok(Credentials::new(value(ACCESS_KEY)?, value(SECRET_KEY)?)?)
}

/// Path style, as no resolver knows `bucket.127.0.0.1`.
fn render_config(endpoint: &str, region: &Region) -> String {
    format!(
        "# Written when Haulout starts. Edits are lost: copy it instead.\n\
         [{PROFILE}]\nregion = {region}\nendpoint_url = {endpoint}\ns3 =\n    addressing_style = path\n"
    )
}

fn value_in_profile<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().map(str::trim);
    let after_header = lines.skip_while(|line| !is_header_of(line, PROFILE)).skip(1);
    after_header
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn is_header_of(line: &str, profile: &str) -> bool {
    let inner = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim() == profile)
}
