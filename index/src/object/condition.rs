//! Conditions that a write or delete puts on what it replaces, checked inside its transaction.

use crate::ObjectRecord;

/// What must hold for an object to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Whatever is there is replaced.
    #[default]
    None,
    /// `If-None-Match: *`: the key must be free.
    MustNotExist,
    /// `If-Match`: the key must have an object, and this one.
    MustMatch(ETagMatch),
}

/// The object that `If-Match` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any object.
    Any,
    /// The one of this entity tag, without quotes.
    Exactly(String),
}

/// What must hold for an object to be deleted. The default asks for nothing, and is met by a missing object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteCondition {
    /// `If-Match`.
    pub etag: Option<ETagMatch>,
    /// `x-amz-if-match-size`, in bytes.
    pub size: Option<u64>,
    /// `x-amz-if-match-last-modified-time`, in whole seconds since 1970, the precision of HTTP dates.
    pub modified_at_seconds: Option<u64>,
}

/// How a condition failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The object that it speaks of does not exist.
    Missing,
    /// Something else is there.
    Mismatch,
}

impl WriteCondition {
    pub(crate) fn check(&self, current: Option<&ObjectRecord>) -> Result<(), Unmet> {
        match (self, current) {
            (Self::None, _) | (Self::MustNotExist, None) => Ok(()),
            (Self::MustNotExist, Some(_)) => Err(Unmet::Mismatch),
            (Self::MustMatch(_), None) => Err(Unmet::Missing),
            (Self::MustMatch(etag), Some(object)) => met(etag.matches(object)),
        }
    }
}

impl ETagMatch {
    fn matches(&self, object: &ObjectRecord) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(text) => object.etag.to_string() == *text,
        }
    }
}

impl DeleteCondition {
    pub(crate) fn check(&self, current: Option<&ObjectRecord>) -> Result<(), Unmet> {
        let Some(object) = current else {
            return if *self == Self::default() { Ok(()) } else { Err(Unmet::Missing) };
        };
        let etag = self.etag.as_ref().is_none_or(|etag| etag.matches(object));
        let size = self.size.is_none_or(|size| size == object.size);
        let modified = self.modified_at_seconds.is_none_or(|at| at == object.modified_at_ms / 1000);
        met(etag && size && modified)
    }
}

fn met(holds: bool) -> Result<(), Unmet> {
    if holds { Ok(()) } else { Err(Unmet::Mismatch) }
}
