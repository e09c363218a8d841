//! Buckets, keys, versions and uploads as a request names them.

use haulout_index::{BucketName, InvalidObjectKey, ObjectKey, UploadId};

use super::error::Refusal;

pub(super) fn bucket(raw: String) -> Result<BucketName, Refusal> {
    Ok(BucketName::parse(raw)?)
}

pub(super) fn key(raw: String) -> Result<ObjectKey, Refusal> {
    ObjectKey::parse(raw).map_err(|invalid| match invalid {
        InvalidObjectKey::Empty => Refusal::KeyEmpty,
        InvalidObjectKey::TooLong { .. } => Refusal::KeyTooLong,
    })
}

/// Accepts no version, or the one that an unversioned object has: `null`.
pub(super) fn only_version(id: Option<&str>) -> Result<(), Refusal> {
    match id {
        None | Some("null") => Ok(()),
        Some(_) => Err(Refusal::Version),
    }
}

/// To S3 a text that cannot be an upload's id is the id of an upload that does not exist.
pub(super) fn upload_id(raw: &str) -> Result<UploadId, Refusal> {
    raw.parse().map_err(|_| Refusal::NoSuchUpload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_version_is_the_only_one() {
        assert!(only_version(None).is_ok());
        assert!(only_version(Some("null")).is_ok());
        for other in ["", "NULL", "3HL4kqtJlcpXroDTDmJ"] {
            assert!(matches!(only_version(Some(other)), Err(Refusal::Version)), "{other}");
        }
    }

    #[test]
    fn a_foreign_upload_id_names_no_upload() {
        for foreign in ["", "x", "VXBsb2FkIElEIGZvciBlbHZpbmc"] {
            assert!(matches!(upload_id(foreign), Err(Refusal::NoSuchUpload)), "{foreign}");
        }
    }

    #[test]
    fn keys_are_refused_by_their_length_in_bytes() {
        assert!(matches!(key(String::new()), Err(Refusal::KeyEmpty)));
        assert!(matches!(key("é".repeat(513)), Err(Refusal::KeyTooLong)));
        assert!(key("é".repeat(512)).is_ok());
    }
}
