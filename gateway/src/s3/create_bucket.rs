//! CreateBucket.

use s3s::dto::{CreateBucketConfiguration, CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::bucket::UNNAMED_REGION;
use super::error::Refusal;
use super::{S3Gateway, metadata, names, request};
use crate::objects::BucketOptions;

pub(super) async fn create_bucket(
    gateway: &S3Gateway,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    if let Some(configuration) = input.create_bucket_configuration {
        check(&configuration, &gateway.region)?;
    }
    let location = format!("/{}", input.bucket);
    let options = BucketOptions {
        durability: metadata::durability(&headers)?,
        protection: metadata::protection(&headers)?,
    };
    gateway.store.create_bucket(&names::bucket(input.bucket)?, options).await?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(location) }))
}

/// A gateway is one region. One that was given no other name than S3's default takes any, as its clients keep
/// whatever region they were set up with; one that was given a name holds clients to it.
fn check(configuration: &CreateBucketConfiguration, region: &str) -> Result<(), Refusal> {
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(Refusal::Operation("a directory bucket"));
    }
    match configuration.location_constraint.as_ref().map(|constraint| constraint.as_str()) {
        None | Some("") => Ok(()),
        Some(asked) if asked == region || region == UNNAMED_REGION => Ok(()),
        Some(_) => Err(Refusal::LocationConstraint { region: region.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::BucketLocationConstraint;

    use super::*;

    fn constraint(region: &str) -> CreateBucketConfiguration {
        let location_constraint = Some(BucketLocationConstraint::from(region.to_owned()));
        CreateBucketConfiguration { location_constraint, ..CreateBucketConfiguration::default() }
    }

    #[test]
    fn a_named_region_takes_itself_or_nothing() {
        assert!(check(&constraint("eu-west-1"), "eu-west-1").is_ok());
        assert!(check(&CreateBucketConfiguration::default(), "eu-west-1").is_ok());
        let refused = check(&constraint("us-west-2"), "eu-west-1");
        assert!(matches!(refused, Err(Refusal::LocationConstraint { .. })));
    }

    #[test]
    fn the_default_region_takes_any() {
        assert!(check(&constraint("eu-west-1"), UNNAMED_REGION).is_ok());
    }
}
