//! `HAULOUT_*` environment variables: settings, and the few secrets that may come this way.

use std::fmt;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use zeroize::Zeroizing;

const PREFIX: &str = "HAULOUT_";
/// Enters a section: `HAULOUT_LOG__FORMAT` is `log.format`. One underscore is part of most names.
const SECTION_SEPARATOR: &str = "__";
/// Variables that start like settings but are secrets, or say where the settings are.
const NOT_SETTINGS: [&str; 4] = [
    Environment::ACCESS_KEY_ID,
    Environment::SECRET_ACCESS_KEY,
    Environment::MASTER_KEY,
    Environment::CONFIG,
];

/// The `HAULOUT_*` variables of a process, taken once at start so that everything after it is testable
/// without touching the real environment.
#[derive(Default)]
pub struct Environment(Vec<(String, Zeroizing<String>)>);

/// A `HAULOUT_*` variable that is not UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name:?} is not UTF-8; correct or unset it")]
pub struct NotUtf8 {
    name: std::ffi::OsString,
}

impl Environment {
    /// Access key ID of the gateway's only user; needs [`Self::SECRET_ACCESS_KEY`] as well.
    pub const ACCESS_KEY_ID: &str = "HAULOUT_ACCESS_KEY_ID";
    /// Secret access key that belongs to [`Self::ACCESS_KEY_ID`].
    pub const SECRET_ACCESS_KEY: &str = "HAULOUT_SECRET_ACCESS_KEY";
    /// Master key as 64 hexadecimal digits.
    pub const MASTER_KEY: &str = "HAULOUT_MASTER_KEY";
    /// The config file, as `--config` names it.
    pub const CONFIG: &str = "HAULOUT_CONFIG";

    /// The variables this process was started with.
    ///
    /// # Errors
    /// [`NotUtf8`] for the first `HAULOUT_*` variable that is not UTF-8; other variables may be what they
    /// want.
    pub fn of_process() -> Result<Self, NotUtf8> {
        let ours =
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
        ours.map(|(name, value)| match (name.to_str(), value.into_string()) {
            (Some(utf8_name), Ok(value)) => Ok((utf8_name.to_owned(), Zeroizing::new(value))),
            _ => Err(NotUtf8 { name }),
        })
        .collect::<Result<_, _>>()
        .map(Self)
    }

    /// The value of the variable called `name`, prefix included.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every variable that claims to be a setting, each with a name of its own in error messages.
    pub(super) fn settings(&self) -> impl Iterator<Item = Setting<'_>> {
        let claims = self.0.iter().filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()));
        claims.map(|(name, value)| Setting { name, value })
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned()))).into())
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// One variable as a layer of the configuration.
pub(super) struct Setting<'a> {
    name: &'a str,
    value: &'a str,
}

impl Provider for Setting<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let key = self.name[PREFIX.len()..].to_lowercase().replace(SECTION_SEPARATOR, ".");
        // Never fails: what is no number, boolean, array or table is a string.
        let value: Value =
            self.value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
        let dict = figment::util::nest(&key, value).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}
