//! Which query names may stand where.
//!
//! A *selector* chooses the operation (`?uploads`), a *parameter* belongs to one (`max-keys`). At most one selector may
//! stand in a request.

use http::Method;

use super::Refusal;
use crate::addressing::Level;
use crate::auth::query::{Item, Query};

/// What a method may carry at a level.
struct Route {
    method: Method,
    level: Level,
    selectors: &'static [&'static str],
    parameters: &'static [&'static str],
}

const LIST: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-uploads",
    "prefix",
    "start-after",
    "upload-id-marker",
];

const RESPONSE_OVERRIDES_AND_VERSION: &[&str] = &[
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];

const GET_OBJECT: &[&str] = &[
    "encoding-type",
    "max-parts",
    "part-number-marker",
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];

/// Sub-resources of a bucket that exist nowhere yet, but whose absence clients ask about and have a code for.
const GET_BUCKET: &[&str] = &[
    "acl",
    "cors",
    "encryption",
    "lifecycle",
    "location",
    "object-lock",
    "policy",
    "tagging",
    "uploads",
    "versioning",
    "website",
];

const ROUTES: [Route; 11] = [
    Route {
        method: Method::GET,
        level: Level::Service,
        selectors: &[],
        parameters: &["bucket-region", "continuation-token", "max-buckets", "prefix"],
    },
    Route { method: Method::HEAD, level: Level::Bucket, selectors: &[], parameters: &[] },
    Route { method: Method::GET, level: Level::Bucket, selectors: GET_BUCKET, parameters: LIST },
    Route { method: Method::PUT, level: Level::Bucket, selectors: &[], parameters: &[] },
    Route { method: Method::DELETE, level: Level::Bucket, selectors: &[], parameters: &[] },
    Route { method: Method::POST, level: Level::Bucket, selectors: &["delete"], parameters: &[] },
    Route {
        method: Method::HEAD,
        level: Level::Object,
        selectors: &[],
        parameters: RESPONSE_OVERRIDES_AND_VERSION,
    },
    Route {
        method: Method::GET,
        level: Level::Object,
        selectors: &["acl", "attributes", "tagging", "uploadId"],
        parameters: GET_OBJECT,
    },
    Route {
        method: Method::PUT,
        level: Level::Object,
        selectors: &["uploadId"],
        parameters: &["partNumber"],
    },
    Route {
        method: Method::POST,
        level: Level::Object,
        selectors: &["uploadId", "uploads"],
        parameters: &[],
    },
    Route {
        method: Method::DELETE,
        level: Level::Object,
        selectors: &["uploadId"],
        parameters: &["versionId"],
    },
];

/// Items that say nothing about the operation: the SDK's name for it, and what presigned URLs consist of. Those that stand
/// for headers are looked at as headers.
const SIGNING: [&str; 4] = ["x-id", "AWSAccessKeyId", "Expires", "Signature"];
const HEADER_PREFIX: &[u8] = b"x-amz-";
/// Version 2 presigners put these headers into the query.
const PRESIGNED_HEADERS: [&str; 2] = ["content-md5", "content-type"];

/// Names that S3 has given to sub-resources. A GET or HEAD with any of them means something, with or without a value.
const SUB_RESOURCES: [&str; 48] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "annotations",
    "attributes",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "id",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

pub(super) fn check(method: &Method, level: Level, query: &Query<'_>) -> Result<(), Refusal> {
    let route = ROUTES.iter().find(|route| route.method == *method && route.level == level);
    let Some(route) = route else { return check_unrouted(method, query) };
    let mut selector = None;
    for item in query.items().iter().filter(|item| !is_signing(item)) {
        if let Some(name) = known(route.selectors, item) {
            if let Some(first) = selector.replace(name)
                && first != name
            {
                return Err(Refusal::Conflict { first, second: name });
            }
        } else if known(route.parameters, item).is_none() && means_something(method, item) {
            return Err(refused(method, item));
        }
    }
    check_combination(method, level, query)
}

/// The router answers these with an error of its own, but must not find a sub-resource in them.
fn check_unrouted(method: &Method, query: &Query<'_>) -> Result<(), Refusal> {
    let meaning = query.items().iter().find(|item| !is_signing(item) && means_something(method, item));
    meaning.map_or(Ok(()), |item| Err(refused(method, item)))
}

/// A write with a name we do not know is not the write we know. A read may carry foreign names with values, such as
/// cache busters, but no sub-resource.
fn means_something(method: &Method, item: &Item<'_>) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    !is_read || item.value.is_empty() || known(&SUB_RESOURCES, item).is_some()
}

fn check_combination(method: &Method, level: Level, query: &Query<'_>) -> Result<(), Refusal> {
    let is_part = query.has("uploadId");
    if *method == Method::PUT && level == Level::Object && is_part != query.has("partNumber") {
        return Err(Refusal::HalfAPart);
    }
    let mut list_types = query.items().iter().filter(|item| item.name == b"list-type");
    if *method == Method::GET && level == Level::Bucket && list_types.any(|item| item.value != b"2") {
        return Err(Refusal::ListType);
    }
    Ok(())
}

fn is_signing(item: &Item<'_>) -> bool {
    let starts = item.name.get(..HEADER_PREFIX.len());
    starts.is_some_and(|start| start.eq_ignore_ascii_case(HEADER_PREFIX))
        || known(&SIGNING, item).is_some()
        || known(&PRESIGNED_HEADERS, item).is_some()
}

fn known(names: &'static [&'static str], item: &Item<'_>) -> Option<&'static str> {
    names.iter().copied().find(|name| name.as_bytes() == item.name)
}

fn refused(method: &Method, item: &Item<'_>) -> Refusal {
    Refusal::SubResource { name: String::from_utf8_lossy(&item.name).into_owned(), method: method.clone() }
}
