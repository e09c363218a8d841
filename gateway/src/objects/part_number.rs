//! The number of a part.

/// `1..=10000`. Source: Amazon S3 multipart upload limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u16);

/// A number that no part can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("part number must be an integer between 1 and 10000, inclusive")]
pub struct InvalidPartNumber;

impl PartNumber {
    /// The greatest.
    pub const MAX: u16 = 10_000;

    /// Checks a number from the wire.
    ///
    /// # Errors
    /// [`InvalidPartNumber`] outside `1..=10000`.
    pub fn parse(raw: i32) -> Result<Self, InvalidPartNumber> {
        match u16::try_from(raw) {
            Ok(number @ 1..=Self::MAX) => Ok(Self(number)),
            _ => Err(InvalidPartNumber),
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}
