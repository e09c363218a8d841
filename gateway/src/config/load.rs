//! Defaults, file, environment and flags, merged and checked.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::error::{Kind, OneOf};
use figment::providers::{Format, Serialized, Toml};
use figment::{Figment, Source};
use serde::Serialize;

use super::check::{Problem, problems};
use super::{Config, Environment, TlsSettings};

/// The file looked for in the working directory when none is named.
const DEFAULT_FILE: &str = "haulout.toml";

/// Settings given as command-line flags; they win over everything else.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    /// `--data-dir`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--admin-listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_listen: Option<SocketAddr>,
    /// `--tls-cert` and `--tls-key`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

/// Why there is no usable [`Config`]. The message names the place and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line or in `HAULOUT_CONFIG` cannot be read.
    #[error("cannot read the config file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An unknown key, a value of the wrong type, or a file that is no TOML.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Readable, but it cannot work.
    #[error("{}", Lines(.0))]
    Problems(Vec<Problem>),
}

/// Settings that could not be read at all; see its message.
#[derive(Debug)]
pub struct Unreadable(Box<figment::Error>);

/// Merges and checks all settings. Without `file`, the one in [`Environment::CONFIG`] is read, and without
/// that `haulout.toml` in the working directory if it is there.
///
/// # Errors
/// [`ConfigError`], with all problems of one kind at once.
pub fn load(
    file: Option<&Path>,
    environment: &Environment,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let named = file.or_else(|| environment.get(Environment::CONFIG).map(Path::new));
    let file = file_to_read(named)?.map(Toml::file_exact);
    let figment = file.into_iter().fold(Figment::new(), Figment::merge);
    let figment = environment.settings().fold(figment, Figment::merge);
    let figment = figment.merge(Serialized::defaults(overrides));
    let config: Config = figment.extract().map_err(|error| Unreadable(Box::new(error)))?;
    let problems = problems(&config);
    if problems.is_empty() { Ok(config) } else { Err(ConfigError::Problems(problems)) }
}

/// A named file must be readable; the default one may be missing.
fn file_to_read(named: Option<&Path>) -> Result<Option<PathBuf>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::File::open(path) {
        Ok(_) => Ok(Some(path.to_owned())),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::File { path: path.to_owned(), source }),
    }
}

impl std::error::Error for Unreadable {}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<OneError> = self.0.as_ref().clone().into_iter().map(OneError).collect();
        Lines(&lines).fmt(formatter)
    }
}

struct OneError(figment::Error);

impl fmt::Display for OneError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let mut key = error.path.join(".");
        // serde reports the parent of an unknown or missing field; the field itself is what has to be mended.
        if let Kind::UnknownField(field, _) = &error.kind
            && error.path.last() != Some(field)
        {
            key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
        }
        if !key.is_empty() {
            write!(formatter, "{key}: ")?;
        }
        match &error.kind {
            Kind::UnknownField(_, known) => {
                write!(formatter, "no such setting; choose {}", OneOf(known))?;
            }
            Kind::UnknownVariant(found, known) => {
                write!(formatter, "{found:?} is not supported; choose {}", OneOf(known))?;
            }
            Kind::MissingField(field) => write!(formatter, "{field} is missing; set it too")?,
            other => write!(formatter, "{other}")?,
        }
        match error.metadata.as_ref().map(|metadata| (&metadata.source, &metadata.name)) {
            Some((Some(Source::File(path)), _)) => write!(formatter, " (in {})", path.display()),
            Some((_, name)) => write!(formatter, " (in {name})"),
            None => Ok(()),
        }
    }
}

/// One item a line.
struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, item) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{item}")?;
        }
        Ok(())
    }
}
