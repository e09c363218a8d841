//! The operations that Haulout has. s3s answers all others with `NotImplemented`.

use http::Extensions;
use s3s::{S3, S3Request, S3Response, S3Result, dto};

use super::error;
use crate::http::observe::OperationSlot;
use crate::objects::ObjectStore;

/// S3 over an object store.
pub struct S3Gateway {
    pub(super) store: ObjectStore,
    pub(super) region: String,
}

impl S3Gateway {
    pub(super) fn new(store: ObjectStore, region: String) -> Self {
        Self { store, region }
    }
}

/// Tells whoever measures requests which operation this one is.
fn began(extensions: &Extensions, name: &'static str) {
    if let Some(slot) = extensions.get::<OperationSlot>() {
        slot.set(name);
    }
}

/// Writes [`S3`] for the gateway: each operation notes its name, calls the function of the same name in
/// `$module`, and logs what it refuses.
macro_rules! operations {
    ($($module:ident :: $function:ident($input:ident) -> $output:ident is $name:literal;)*) => {
        #[async_trait::async_trait]
        impl S3 for S3Gateway {
            $(async fn $function(
                &self,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                began(&request.extensions, $name);
                let result = super::$module::$function(self, request).await;
                result.inspect_err(|failed| error::log($name, failed))
            })*
        }
    };
}

operations! {
    list_buckets::list_buckets(ListBucketsInput) -> ListBucketsOutput is "ListBuckets";
    create_bucket::create_bucket(CreateBucketInput) -> CreateBucketOutput is "CreateBucket";
    bucket::head_bucket(HeadBucketInput) -> HeadBucketOutput is "HeadBucket";
    bucket::delete_bucket(DeleteBucketInput) -> DeleteBucketOutput is "DeleteBucket";
    bucket::get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput is "GetBucketLocation";

    put_object::put_object(PutObjectInput) -> PutObjectOutput is "PutObject";
    get_object::get_object(GetObjectInput) -> GetObjectOutput is "GetObject";
    head_object::head_object(HeadObjectInput) -> HeadObjectOutput is "HeadObject";
    get_object_attributes::get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput
        is "GetObjectAttributes";
    delete_object::delete_object(DeleteObjectInput) -> DeleteObjectOutput is "DeleteObject";
    delete_objects::delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput is "DeleteObjects";
    copy_object::copy_object(CopyObjectInput) -> CopyObjectOutput is "CopyObject";
    list_objects::list_objects(ListObjectsInput) -> ListObjectsOutput is "ListObjects";
    list_objects_v2::list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output is "ListObjectsV2";

    create_multipart_upload::create_multipart_upload(CreateMultipartUploadInput)
        -> CreateMultipartUploadOutput is "CreateMultipartUpload";
    upload_part::upload_part(UploadPartInput) -> UploadPartOutput is "UploadPart";
    upload_part_copy::upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput is "UploadPartCopy";
    complete_multipart_upload::complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput is "CompleteMultipartUpload";
    abort_multipart_upload::abort_multipart_upload(AbortMultipartUploadInput)
        -> AbortMultipartUploadOutput is "AbortMultipartUpload";
    list_parts::list_parts(ListPartsInput) -> ListPartsOutput is "ListParts";
    list_multipart_uploads::list_multipart_uploads(ListMultipartUploadsInput)
        -> ListMultipartUploadsOutput is "ListMultipartUploads";

    absent_configuration::get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput
        is "GetBucketVersioning";
    absent_configuration::get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput is "GetBucketAcl";
    absent_configuration::get_object_acl(GetObjectAclInput) -> GetObjectAclOutput is "GetObjectAcl";
    absent_configuration::get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput
        is "GetObjectTagging";
    absent_configuration::get_bucket_request_payment(GetBucketRequestPaymentInput)
        -> GetBucketRequestPaymentOutput is "GetBucketRequestPayment";
    absent_configuration::get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput
        is "GetBucketLogging";
    absent_configuration::get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput
        is "GetBucketTagging";
    absent_configuration::get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput
        is "GetBucketPolicy";
    absent_configuration::get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput is "GetBucketCors";
    absent_configuration::get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput is "GetBucketLifecycleConfiguration";
    absent_configuration::get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput
        is "GetBucketWebsite";
    absent_configuration::get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput
        is "GetBucketEncryption";
    absent_configuration::get_object_lock_configuration(GetObjectLockConfigurationInput)
        -> GetObjectLockConfigurationOutput is "GetObjectLockConfiguration";
    absent_configuration::get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput
        is "GetBucketReplication";
    absent_configuration::get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput is "GetBucketOwnershipControls";
    absent_configuration::get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput
        is "GetPublicAccessBlock";
}
