//! Conditional reads.
//!
//! Source: RFC 9110 §13 and the Amazon S3 GetObject reference, which adds: a matching `If-Match` outweighs
//! `If-Unmodified-Since`, and a matching `If-None-Match` outweighs `If-Modified-Since`. Dates have whole seconds.

use haulout_index::{ETagMatch, ObjectRecord, WriteCondition};

use super::error::ObjectError;

/// A list of entity tags, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`
    Any,
    /// Any of these, without quotes.
    AnyOf(Vec<String>),
}

/// `If-Range`: the range counts only while this holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfRange {
    /// The tag is this, without quotes.
    ETag(String),
    /// The object was last modified at this time, in ms since 1970.
    Date(u64),
}

/// What must hold for a read to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`
    pub if_match: Option<ETagCondition>,
    /// `If-None-Match`
    pub if_none_match: Option<ETagCondition>,
    /// `If-Modified-Since`, in ms since 1970.
    pub if_modified_since_ms: Option<u64>,
    /// `If-Unmodified-Since`, in ms since 1970.
    pub if_unmodified_since_ms: Option<u64>,
    /// `If-Range`
    pub if_range: Option<IfRange>,
}

impl ETagCondition {
    fn holds(&self, record: &ObjectRecord) -> bool {
        match self {
            Self::Any => true,
            Self::AnyOf(tags) => {
                let current = record.etag.to_string();
                tags.contains(&current)
            }
        }
    }
}

impl ReadConditions {
    /// Decides about reading `record`.
    ///
    /// # Errors
    /// [`ObjectError::PreconditionFailed`] naming the header, or [`ObjectError::NotModified`].
    pub fn check(&self, record: &ObjectRecord) -> Result<(), ObjectError> {
        match (&self.if_match, self.if_unmodified_since_ms) {
            (Some(tags), _) if !tags.holds(record) => {
                return Err(ObjectError::PreconditionFailed { condition: "If-Match" });
            }
            (None, Some(date)) if modified_after(record, date) => {
                return Err(ObjectError::PreconditionFailed { condition: "If-Unmodified-Since" });
            }
            _ => {}
        }
        let unchanged = match (&self.if_none_match, self.if_modified_since_ms) {
            (Some(tags), _) => tags.holds(record),
            (None, Some(date)) => !modified_after(record, date),
            (None, None) => false,
        };
        if unchanged { Err(ObjectError::NotModified { record: Box::new(record.clone()) }) } else { Ok(()) }
    }

    /// The same for the source of a copy, where "not modified" is a failed precondition too.
    ///
    /// # Errors
    /// [`ObjectError::PreconditionFailed`].
    pub fn check_copy_source(&self, record: &ObjectRecord) -> Result<(), ObjectError> {
        self.check(record).map_err(|error| match error {
            ObjectError::NotModified { .. } if self.if_none_match.is_some() => {
                ObjectError::PreconditionFailed { condition: "x-amz-copy-source-If-None-Match" }
            }
            ObjectError::NotModified { .. } => {
                ObjectError::PreconditionFailed { condition: "x-amz-copy-source-If-Modified-Since" }
            }
            other => other,
        })
    }

    /// Whether a requested range counts for `record`.
    #[must_use]
    pub fn range_counts(&self, record: &ObjectRecord) -> bool {
        match &self.if_range {
            None => true,
            Some(IfRange::ETag(tag)) => *tag == record.etag.to_string(),
            Some(IfRange::Date(date)) => date / 1000 == record.modified_at_ms / 1000,
        }
    }
}

/// The header that states a write's condition.
pub(super) fn condition_header(condition: &WriteCondition) -> &'static str {
    match condition {
        WriteCondition::None | WriteCondition::MustNotExist => "If-None-Match",
        WriteCondition::MustMatch(_) => "If-Match",
    }
}

/// Whether a write may go ahead as things are now. Only to refuse a body early: the index decides at the commit.
pub(super) fn check_write(
    condition: &WriteCondition,
    current: Option<&ObjectRecord>,
) -> Result<(), ObjectError> {
    let unmet = ObjectError::PreconditionFailed { condition: condition_header(condition) };
    match (condition, current) {
        (WriteCondition::MustNotExist, Some(_)) => Err(unmet),
        (WriteCondition::MustMatch(_), None) => Err(ObjectError::NoSuchKey),
        (WriteCondition::MustMatch(ETagMatch::Exactly(tag)), Some(record))
            if *tag != record.etag.to_string() =>
        {
            Err(unmet)
        }
        _ => Ok(()),
    }
}

fn modified_after(record: &ObjectRecord, date_ms: u64) -> bool {
    record.modified_at_ms / 1000 > date_ms / 1000
}

#[cfg(test)]
mod tests {
    use haulout_index::{Durability, ETag, SystemMetadata, VersionId};

    use super::*;
    use crate::clock::fresh;

    fn record() -> ObjectRecord {
        ObjectRecord {
            version_id: fresh(VersionId::at),
            modified_at_ms: 10_500,
            size: 3,
            etag: ETag { md5: [0xaa; 16], parts: None },
            digest: None,
            checksum: None,
            system: SystemMetadata::default(),
            user_metadata: vec![],
            wrapped_key: None,
            upload_id: None,
            part_count: None,
            durability: Durability::Staged,
        }
    }

    fn tag(text: &str) -> Option<ETagCondition> {
        Some(ETagCondition::AnyOf(vec![text.to_owned()]))
    }

    #[test]
    fn tags_outweigh_dates_and_dates_compare_by_the_second() {
        let current = "aa".repeat(16);
        let ok = |conditions: ReadConditions| conditions.check(&record()).is_ok();
        let none = ReadConditions::default;
        assert!(ok(ReadConditions { if_match: tag(&current), if_unmodified_since_ms: Some(1), ..none() }));
        assert!(!ok(ReadConditions { if_match: tag("other"), ..none() }));
        assert!(!ok(ReadConditions { if_unmodified_since_ms: Some(9_000), ..none() }));
        assert!(ok(ReadConditions { if_unmodified_since_ms: Some(10_000), ..none() }));
        assert!(!ok(ReadConditions { if_modified_since_ms: Some(10_000), ..none() }));
        assert!(ok(ReadConditions { if_modified_since_ms: Some(9_000), ..none() }));
        assert!(ok(ReadConditions {
            if_none_match: tag("other"),
            if_modified_since_ms: Some(99_000),
            ..none()
        }));
        let unchanged = ReadConditions { if_none_match: Some(ETagCondition::Any), ..none() };
        assert!(matches!(unchanged.check(&record()), Err(ObjectError::NotModified { .. })));
        let copy = unchanged.check_copy_source(&record());
        assert!(matches!(copy, Err(ObjectError::PreconditionFailed { .. })));
    }
}
