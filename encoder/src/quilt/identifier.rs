//! Names of patches.

use std::fmt;

use crate::wire;

/// Name of a patch, unique in its quilt: 1 to [`PatchIdentifier::MAX_BYTES`] bytes of UTF-8 without control
/// characters, not ending in whitespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatchIdentifier(String);

/// The text cannot name a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPatchIdentifier {
    /// No characters.
    #[error("a patch identifier is empty")]
    Empty,
    /// Too long to be stored.
    #[error("a patch identifier of {found} bytes exceeds {}", PatchIdentifier::MAX_BYTES)]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// A control character, of ASCII or of Latin-1.
    #[error("a patch identifier contains the control character {found:?}")]
    ControlCharacter {
        /// The first such character.
        found: char,
    },
    /// Whitespace at the end.
    #[error("a patch identifier ends in whitespace")]
    TrailingWhitespace,
}

impl PatchIdentifier {
    /// Longest identifier in UTF-8 bytes: with the three bytes of its length it stays below 65,535.
    pub const MAX_BYTES: usize = 65_531;

    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidPatchIdentifier`] for the first rule that the text breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidPatchIdentifier> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidPatchIdentifier::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidPatchIdentifier::TooLong { found: text.len() });
        }
        if let Some(found) = text.chars().find(|character| character.is_control()) {
            return Err(InvalidPatchIdentifier::ControlCharacter { found });
        }
        if text.ends_with(char::is_whitespace) {
            return Err(InvalidPatchIdentifier::TrailingWhitespace);
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Bytes in BCS, length included; fits 16 bits because of [`Self::MAX_BYTES`].
    pub(super) fn bcs_bytes(&self) -> u16 {
        let bytes = wire::length_bytes(self.0.len()) + self.0.len();
        u16::try_from(bytes).expect("an identifier is shorter than 65,532 bytes")
    }
}

impl fmt::Display for PatchIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_identifier_has_65_531_bytes() {
        let longest = "x".repeat(PatchIdentifier::MAX_BYTES);
        assert_eq!(
            PatchIdentifier::parse(longest.clone()).map(|identifier| identifier.bcs_bytes()),
            Ok(65_534)
        );
        assert_eq!(
            PatchIdentifier::parse(longest + "x"),
            Err(InvalidPatchIdentifier::TooLong { found: 65_532 })
        );
    }
}
