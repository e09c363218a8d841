//! DeleteObjects. Its document was verified when it was read.

use haulout_index::{DeleteCondition, ETagMatch, ObjectKey};
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, Error, ObjectIdentifier};
use s3s::{S3Error, S3Request, S3Response, S3Result};

use super::delete_object::unix_seconds;
use super::error::Refusal;
use super::{S3Gateway, conditions, names};

/// S3's limit on the keys of one request.
const KEYS_MAX: usize = 1000;

pub(super) async fn delete_objects(
    gateway: &S3Gateway,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let bucket = names::bucket(request.input.bucket)?;
    let delete = request.input.delete;
    if !(1..=KEYS_MAX).contains(&delete.objects.len()) {
        return Err(Refusal::MalformedXml.into());
    }
    let quiet = delete.quiet.unwrap_or(false);
    let mut report = Report::default();
    let mut accepted = Vec::with_capacity(delete.objects.len());
    for object in delete.objects {
        let named = Named { key: object.key.clone(), version_id: object.version_id.clone() };
        match parse(object) {
            Ok(wanted) => accepted.push((named, wanted)),
            Err(refusal) => report.failed(named, refusal.into()),
        }
    }
    let (named, wanted): (Vec<Named>, Vec<_>) = accepted.into_iter().unzip();
    let results = gateway.store.delete_objects(&bucket, wanted).await?;
    for (named, result) in named.into_iter().zip(results) {
        match result {
            Ok(_existed) if quiet => {}
            Ok(_existed) => report.deleted(named),
            Err(failed) => report.failed(named, failed.into()),
        }
    }
    Ok(S3Response::new(report.0))
}

/// A key and version as the client wrote them, for the answer to name.
struct Named {
    key: String,
    version_id: Option<String>,
}

fn parse(object: ObjectIdentifier) -> Result<(ObjectKey, DeleteCondition), Refusal> {
    names::only_version(object.version_id.as_deref())?;
    let etag = object.e_tag.map(|etag| match etag {
        ETag::Strong(text) => ETagMatch::Exactly(text),
        // Equal to no entity tag of ours, as strong comparison has it.
        ETag::Weak(text) => ETagMatch::Exactly(format!("W/{text}")),
    });
    let condition =
        conditions::delete_condition(etag, object.size, object.last_modified_time.map(unix_seconds))?;
    Ok((names::key(object.key)?, condition))
}

#[derive(Default)]
struct Report(DeleteObjectsOutput);

impl Report {
    fn deleted(&mut self, named: Named) {
        let deleted =
            DeletedObject { key: Some(named.key), version_id: named.version_id, ..DeletedObject::default() };
        self.0.deleted.get_or_insert_default().push(deleted);
    }

    fn failed(&mut self, named: Named, error: S3Error) {
        super::error::log("DeleteObjects", &error);
        self.0.errors.get_or_insert_default().push(Error {
            key: Some(named.key),
            version_id: named.version_id,
            code: Some(error.code().as_str().to_owned()),
            message: error.message().map(str::to_owned),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(key: &str, version_id: Option<&str>) -> ObjectIdentifier {
        ObjectIdentifier {
            key: key.into(),
            version_id: version_id.map(str::to_owned),
            e_tag: None,
            last_modified_time: None,
            size: None,
        }
    }

    #[test]
    fn each_key_is_refused_by_itself() {
        assert!(parse(identifier("k", Some("null"))).is_ok());
        assert!(matches!(parse(identifier("k", Some("3HL4"))), Err(Refusal::Version)));
        assert!(matches!(parse(identifier("", None)), Err(Refusal::KeyEmpty)));
        assert!(matches!(parse(identifier(&"k".repeat(1025), None)), Err(Refusal::KeyTooLong)));
    }

    #[test]
    fn a_report_tells_code_and_key() {
        let mut report = Report::default();
        report.failed(Named { key: "k".into(), version_id: None }, Refusal::KeyTooLong.into());
        let errors = report.0.errors.unwrap();
        assert_eq!(errors[0].code.as_deref(), Some("KeyTooLongError"));
        assert_eq!(errors[0].key.as_deref(), Some("k"));
    }
}
