//! HeadBucket, DeleteBucket, GetBucketLocation.

use s3s::dto::{
    BucketLocationConstraint, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::{S3Gateway, names};

/// The region whose name S3 leaves out of a bucket's location.
pub(super) const UNNAMED_REGION: &str = "us-east-1";

pub(super) async fn head_bucket(
    gateway: &S3Gateway,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    gateway.store.bucket(&names::bucket(request.input.bucket)?).await?;
    let bucket_region = Some(gateway.region.clone());
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}

pub(super) async fn delete_bucket(
    gateway: &S3Gateway,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    gateway.store.delete_bucket(&names::bucket(request.input.bucket)?).await?;
    Ok(S3Response::new(DeleteBucketOutput {}))
}

pub(super) async fn get_bucket_location(
    gateway: &S3Gateway,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    gateway.store.bucket(&names::bucket(request.input.bucket)?).await?;
    let named = gateway.region != UNNAMED_REGION;
    let location_constraint = named.then(|| BucketLocationConstraint::from(gateway.region.clone()));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
}
