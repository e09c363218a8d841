//! The gateway's key pair: where it comes from, and the files that hand it to AWS tools.
//!
//! There is no default password: the first start makes a pair of its own, unless the environment gives one.
//! It is kept in `credentials` in the data directory, in the format of AWS's shared credentials file, and
//! [`write_aws_config`] puts an AWS config file beside it, so that pointing `AWS_SHARED_CREDENTIALS_FILE` and
//! `AWS_CONFIG_FILE` at the two is all a tool needs.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::auth::{CredentialSource, SecretKey};
use crate::config::Environment;
use crate::first_start::{DataDir, PrivateFileError, read_private_file, write_private_file};

mod aws_files;
mod generate;

pub use aws_files::{AWS_CONFIG_FILE, CREDENTIALS_FILE, InvalidCredentialsFile, write_aws_config};

/// The one key pair that may sign requests.
#[derive(Clone)]
pub struct Credentials {
    access_key: String,
    secret_key: SecretKey,
}

/// Where a key pair came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsOrigin {
    /// `HAULOUT_ACCESS_KEY_ID` and `HAULOUT_SECRET_ACCESS_KEY`.
    Environment,
    /// A file that was there before.
    File(PathBuf),
    /// Made just now and written to this file: its owner has to be shown it.
    Created(PathBuf),
}

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Half a pair.
    #[error("{present} is set and {missing} is not; set both or none")]
    HalfInEnvironment {
        /// The variable that is set.
        present: &'static str,
        /// The one to set as well.
        missing: &'static str,
    },
    /// A pair no client could use.
    #[error("the key pair in HAULOUT_ACCESS_KEY_ID and HAULOUT_SECRET_ACCESS_KEY is not usable")]
    Environment(#[source] InvalidKeyPair),
    /// A file that is there but holds no pair.
    #[error("{} holds no usable key pair; correct it, or remove it to have a new pair made", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: InvalidCredentialsFile,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

/// Text that is no key pair. Says nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyPair {
    /// The access key would not survive in an `Authorization` header or a URL.
    #[error("an access key ID is 3 to 128 letters, digits, '-', '_' or '.'")]
    AccessKey,
    /// Too easily guessed, or it would not survive in a credentials file.
    #[error("a secret access key is 8 to 128 printable ASCII characters without spaces")]
    SecretKey,
}

impl Credentials {
    /// The pair from the environment, else from `credentials` in `data_dir`, which is made if missing. A file
    /// stays as it is while the environment overrides it.
    ///
    /// # Errors
    /// [`CredentialsError`]. A wrong pair in one place is an error, not a reason to look into the next.
    pub fn load_or_create(
        data_dir: &DataDir,
        environment: &Environment,
    ) -> Result<(Self, CredentialsOrigin), CredentialsError> {
        if let Some(credentials) = Self::from_environment(environment)? {
            return Ok((credentials, CredentialsOrigin::Environment));
        }
        let path = data_dir.path().join(CREDENTIALS_FILE);
        if let Some(text) = read_private_file(&path)? {
            return match aws_files::parse_credentials(&text) {
                Ok(credentials) => Ok((credentials, CredentialsOrigin::File(path))),
                Err(source) => Err(CredentialsError::Contents { path, source }),
            };
        }
        let credentials = generate::key_pair();
        write_private_file(&path, &aws_files::render_credentials(&credentials))?;
        Ok((credentials, CredentialsOrigin::Created(path)))
    }

    /// A checked pair.
    ///
    /// # Errors
    /// [`InvalidKeyPair`] if a client could not sign with it.
    pub fn new(access_key: &str, secret_key: &str) -> Result<Self, InvalidKeyPair> {
        let in_access_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(3..=128).contains(&access_key.len()) || !access_key.bytes().all(in_access_key) {
            return Err(InvalidKeyPair::AccessKey);
        }
        if !(8..=128).contains(&secret_key.len()) || !secret_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKeyPair::SecretKey);
        }
        Ok(Self { access_key: access_key.to_owned(), secret_key: SecretKey::new(secret_key) })
    }

    /// The public half.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret half: for the credentials file and for showing it once, never for the log.
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret_key
    }

    fn from_environment(environment: &Environment) -> Result<Option<Self>, CredentialsError> {
        const ID: &str = Environment::ACCESS_KEY_ID;
        const SECRET: &str = Environment::SECRET_ACCESS_KEY;
        match (environment.get(ID), environment.get(SECRET)) {
            (None, None) => Ok(None),
            (Some(access_key), Some(secret_key)) => {
                Self::new(access_key, secret_key).map(Some).map_err(CredentialsError::Environment)
            }
            (Some(_), None) => Err(CredentialsError::HalfInEnvironment { present: ID, missing: SECRET }),
            (None, Some(_)) => Err(CredentialsError::HalfInEnvironment { present: SECRET, missing: ID }),
        }
    }
}

impl CredentialSource for Credentials {
    fn secret_key(&self, access_key: &str) -> Option<SecretKey> {
        (access_key == self.access_key).then(|| self.secret_key.clone())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What is shown on standard output after the first start made `credentials`: the pair, once, and how to use
/// the files.
pub fn first_start_notice(credentials: &Credentials, data_dir: &Path, endpoint: &str) -> Zeroizing<String> {
    let folder = data_dir.display();
    Zeroizing::new(format!(
        "First start. This is the key pair of this gateway; it is shown only now, and kept in\n\
         {folder}/{CREDENTIALS_FILE}:\n\
         \n  \
           access key id      {}\n  \
           secret access key  {}\n  \
           endpoint           {endpoint}\n\
         \n\
         Try it:\n\
         \n  \
           export AWS_CONFIG_FILE='{folder}/{}' AWS_SHARED_CREDENTIALS_FILE='{folder}/{CREDENTIALS_FILE}'\n  \
           aws s3 mb s3://my-first-bucket\n\n",
        credentials.access_key(),
        credentials.secret_key().expose(),
        AWS_CONFIG_FILE,
    ))
}

#[cfg(test)]
mod tests;
