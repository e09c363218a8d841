//! Reads of configurations that no bucket or object has here. S3 has an answer for each, and clients go by it;
//! writing them is not implemented.

use s3s::dto::{
    GetBucketAclInput, GetBucketAclOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketLoggingInput, GetBucketLoggingOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, GetBucketPolicyInput, GetBucketPolicyOutput, GetBucketReplicationInput,
    GetBucketReplicationOutput, GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput, GetBucketVersioningOutput,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, GetObjectAclInput, GetObjectAclOutput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput, Grant, Grantee, Payer,
    Permission, Type,
};
use s3s::{S3Request, S3Response, S3Result};

use super::error::{Absent, Refusal};
use super::{S3Gateway, names, owner, view};

/// Never had versioning: neither enabled nor suspended.
pub(super) async fn get_bucket_versioning(
    gateway: &S3Gateway,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    bucket_exists(gateway, request.input.bucket).await?;
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}

pub(super) async fn get_bucket_acl(
    gateway: &S3Gateway,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    bucket_exists(gateway, request.input.bucket).await?;
    Ok(S3Response::new(GetBucketAclOutput {
        owner: Some(owner::owner()),
        grants: Some(vec![full_control()]),
    }))
}

pub(super) async fn get_object_acl(
    gateway: &S3Gateway,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let input = request.input;
    object_exists(gateway, input.bucket, input.key, input.version_id).await?;
    Ok(S3Response::new(GetObjectAclOutput {
        owner: Some(owner::owner()),
        grants: Some(vec![full_control()]),
        request_charged: None,
    }))
}

/// The owner may do everything, and nobody else anything.
fn full_control() -> Grant {
    let owner = owner::owner();
    Grant {
        grantee: Some(Grantee {
            id: owner.id,
            display_name: owner.display_name,
            type_: Type::from_static(Type::CANONICAL_USER),
            email_address: None,
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}

/// An object's tags are an empty set, where a bucket's are an error.
pub(super) async fn get_object_tagging(
    gateway: &S3Gateway,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let input = request.input;
    object_exists(gateway, input.bucket, input.key, input.version_id).await?;
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: Vec::new(), version_id: None }))
}

pub(super) async fn get_bucket_request_payment(
    gateway: &S3Gateway,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
    bucket_exists(gateway, request.input.bucket).await?;
    let payer = Some(Payer::from_static(Payer::BUCKET_OWNER));
    Ok(S3Response::new(GetBucketRequestPaymentOutput { payer }))
}

pub(super) async fn get_bucket_logging(
    gateway: &S3Gateway,
    request: S3Request<GetBucketLoggingInput>,
) -> S3Result<S3Response<GetBucketLoggingOutput>> {
    bucket_exists(gateway, request.input.bucket).await?;
    Ok(S3Response::new(GetBucketLoggingOutput::default()))
}

pub(super) async fn get_bucket_tagging(
    gateway: &S3Gateway,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    absent(gateway, request.input.bucket, Absent::Tagging).await
}

pub(super) async fn get_bucket_policy(
    gateway: &S3Gateway,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    absent(gateway, request.input.bucket, Absent::Policy).await
}

pub(super) async fn get_bucket_cors(
    gateway: &S3Gateway,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    absent(gateway, request.input.bucket, Absent::Cors).await
}

pub(super) async fn get_bucket_lifecycle_configuration(
    gateway: &S3Gateway,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    absent(gateway, request.input.bucket, Absent::Lifecycle).await
}

pub(super) async fn get_bucket_website(
    gateway: &S3Gateway,
    request: S3Request<GetBucketWebsiteInput>,
) -> S3Result<S3Response<GetBucketWebsiteOutput>> {
    absent(gateway, request.input.bucket, Absent::Website).await
}

pub(super) async fn get_bucket_encryption(
    gateway: &S3Gateway,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    absent(gateway, request.input.bucket, Absent::Encryption).await
}

pub(super) async fn get_object_lock_configuration(
    gateway: &S3Gateway,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
    absent(gateway, request.input.bucket, Absent::ObjectLock).await
}

pub(super) async fn get_bucket_replication(
    gateway: &S3Gateway,
    request: S3Request<GetBucketReplicationInput>,
) -> S3Result<S3Response<GetBucketReplicationOutput>> {
    absent(gateway, request.input.bucket, Absent::Replication).await
}

pub(super) async fn get_bucket_ownership_controls(
    gateway: &S3Gateway,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
    absent(gateway, request.input.bucket, Absent::OwnershipControls).await
}

pub(super) async fn get_public_access_block(
    gateway: &S3Gateway,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    absent(gateway, request.input.bucket, Absent::PublicAccessBlock).await
}

/// A missing bucket is the graver error, and told instead.
async fn absent<T>(gateway: &S3Gateway, bucket: String, configuration: Absent) -> S3Result<T> {
    bucket_exists(gateway, bucket).await?;
    Err(Refusal::NoConfiguration(configuration).into())
}

async fn bucket_exists(gateway: &S3Gateway, bucket: String) -> S3Result<()> {
    gateway.store.bucket(&names::bucket(bucket)?).await?;
    Ok(())
}

async fn object_exists(
    gateway: &S3Gateway,
    bucket: String,
    key: String,
    version_id: Option<String>,
) -> S3Result<()> {
    names::only_version(version_id.as_deref())?;
    gateway.store.head_object(&names::bucket(bucket)?, &names::key(key)?, view::plain_read()).await?;
    Ok(())
}
