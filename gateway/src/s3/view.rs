//! What GET and HEAD tell of an object, and the forms in which S3 writes its numbers, times and tags.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::Stream;
use haulout_index::{Checksum, ObjectRecord, PartRecord, WrappedKey};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::dto::{ETag, Metadata, ServerSideEncryption, StreamingBlob, Timestamp, TimestampFormat};
use s3s::stream::{ByteStream, RemainingLength};

use super::error::Refusal;
use super::{checksums, conditions, range};
use crate::objects::{BoxError, ObjectView, OpenObject, PartNumber, Placement, ReadRequest};

/// What S3 answers for an object that was uploaded without a `Content-Type`.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// What a GET or HEAD asks for; the two differ in the body only.
pub(super) struct Read {
    pub(super) request: ReadRequest,
    /// `x-amz-checksum-mode: ENABLED`.
    with_checksum: bool,
    /// `response-*`: what to say instead of what is stored.
    overrides: Vec<(HeaderName, HeaderValue)>,
}

/// The `response-*` query items.
pub(super) struct Overrides {
    pub(super) content_type: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) expires: Option<Timestamp>,
}

impl Read {
    pub(super) fn parse(
        headers: &HeaderMap,
        part_number: Option<i32>,
        overrides: Overrides,
    ) -> Result<Self, Refusal> {
        let part_number = part_number.map(PartNumber::parse).transpose()?;
        let mut conditions = conditions::of_read(headers);
        let mut range = range::of_read(headers);
        if part_number.is_some() && range.is_some() {
            return Err(Refusal::Request("a read has either a Range header or a partNumber"));
        }
        match conditions::of_range(headers) {
            conditions::RangeCondition::Absent => {}
            conditions::RangeCondition::Of(condition) => conditions.if_range = Some(condition),
            conditions::RangeCondition::Never => range = None,
        }
        let with_checksum = headers
            .get(s3s::header::X_AMZ_CHECKSUM_MODE)
            .is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED"));
        let request = ReadRequest { range, part_number, conditions };
        Ok(Self { request, with_checksum, overrides: overrides.headers()? })
    }

    /// The headers of the answer, all but user metadata, which s3s encodes.
    pub(super) fn headers(self, view: &ObjectView) -> HeaderMap {
        let mut headers = HeaderMap::new();
        add_validators(&mut headers, &view.record);
        add_system_metadata(&mut headers, &view.record);
        add_placement(&mut headers, &view.placement);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(view.range.end - view.range.start));
        if view.partial {
            add_text(&mut headers, header::CONTENT_RANGE, &content_range(view));
        }
        if self.with_checksum {
            add_checksum(&mut headers, view);
        }
        if let (Some(_), Some(count)) = (&view.part, view.record.part_count) {
            headers.insert(s3s::header::X_AMZ_MP_PARTS_COUNT, HeaderValue::from(count));
        }
        if view.record.wrapped_key.is_some() {
            add_text(&mut headers, s3s::header::X_AMZ_SERVER_SIDE_ENCRYPTION, ServerSideEncryption::AES256);
        }
        for (name, value) in self.overrides {
            headers.insert(name, value); // Extending the map would append.
        }
        headers
    }
}

impl Overrides {
    fn headers(self) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
        let expires = self.expires.map(|at| {
            let mut text = Vec::new();
            at.format(TimestampFormat::HttpDate, &mut text)
                .expect("a date that was read can be written to memory");
            text
        });
        let text = |text: Option<String>| text.map(String::into_bytes);
        [
            (header::CONTENT_TYPE, text(self.content_type)),
            (header::CONTENT_LANGUAGE, text(self.content_language)),
            (header::CONTENT_ENCODING, text(self.content_encoding)),
            (header::CONTENT_DISPOSITION, text(self.content_disposition)),
            (header::CACHE_CONTROL, text(self.cache_control)),
            (header::EXPIRES, expires),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .map(|(name, text)| match HeaderValue::from_bytes(&text) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Refusal::Argument { name: "response-*", problem: "is not the value of a header" }),
        })
        .collect()
    }
}

/// `ETag`, `Last-Modified` and what caches go by: also all that a `304` tells.
pub(super) fn add_validators(headers: &mut HeaderMap, record: &ObjectRecord) {
    add_text(headers, header::ETAG, &format!("\"{}\"", record.etag));
    add_text(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(system_time(record.modified_at_ms)));
    for (name, text) in
        [(header::CACHE_CONTROL, &record.system.cache_control), (header::EXPIRES, &record.system.expires)]
    {
        text.iter().for_each(|text| add_text(headers, name.clone(), text));
    }
}

fn add_system_metadata(headers: &mut HeaderMap, record: &ObjectRecord) {
    let system = &record.system;
    let content_type = system.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
    add_text(headers, header::CONTENT_TYPE, content_type);
    for (name, text) in [
        (header::CONTENT_DISPOSITION, &system.content_disposition),
        (header::CONTENT_ENCODING, &system.content_encoding),
        (header::CONTENT_LANGUAGE, &system.content_language),
        (s3s::header::X_AMZ_WEBSITE_REDIRECT_LOCATION, &system.website_redirect_location),
    ] {
        text.iter().for_each(|text| add_text(headers, name.clone(), text));
    }
}

/// Where the bytes are: in S3's words (replicated or not yet), and on the network in ours.
fn add_placement(headers: &mut HeaderMap, placement: &Placement) {
    const BLOB_ID: HeaderName = HeaderName::from_static("x-haulout-blob-id");
    const CERTIFIED_EPOCH: HeaderName = HeaderName::from_static("x-haulout-certified-epoch");
    const END_EPOCH: HeaderName = HeaderName::from_static("x-haulout-end-epoch");
    let status = match placement {
        Placement::Pending => "PENDING",
        Placement::Certified { blob_ids, certified_epoch, end_epoch } => {
            let ids: Vec<String> = blob_ids.iter().map(ToString::to_string).collect();
            if !ids.is_empty() {
                add_text(headers, BLOB_ID, &ids.join(","));
            }
            headers.insert(CERTIFIED_EPOCH, HeaderValue::from(*certified_epoch));
            headers.insert(END_EPOCH, HeaderValue::from(*end_epoch));
            "COMPLETED"
        }
    };
    add_text(headers, s3s::header::X_AMZ_REPLICATION_STATUS, status);
}

/// The checksum of what the answer holds: the object, or exactly one part of it. None covers another range.
fn add_checksum(headers: &mut HeaderMap, view: &ObjectView) {
    let checksum: Option<&Checksum> = match &view.part {
        Some(part) => part.checksum.as_ref(),
        None => view.record.checksum.as_ref().filter(|_| !view.partial),
    };
    let Some(checksum) = checksum else { return };
    let name = HeaderName::from_static(checksums::header_name(checksum.algorithm));
    add_text(headers, name, &checksums::encode(checksum));
    let kind = view.record.checksum.as_ref().map_or(checksum.kind, |whole| whole.kind);
    add_text(headers, s3s::header::X_AMZ_CHECKSUM_TYPE, checksums::kind_name(kind));
}

fn content_range(view: &ObjectView) -> String {
    format!("bytes {}-{}/{}", view.range.start, view.range.end.saturating_sub(1), view.record.size)
}

/// Leaves out what no header can hold. Nothing stored is like that: it came in headers.
fn add_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        headers.insert(name, value);
    }
}

/// A read that asks for nothing in particular.
pub(super) fn plain_read() -> ReadRequest {
    ReadRequest { range: None, part_number: None, conditions: conditions::of_read(&HeaderMap::new()) }
}

pub(super) fn user_metadata(record: &ObjectRecord) -> Option<Metadata> {
    Some(record.user_metadata.iter().cloned().collect())
}

/// `x-amz-server-side-encryption` of an object whose bytes have this key.
pub(super) fn encryption(key: Option<&WrappedKey>) -> Option<ServerSideEncryption> {
    key.map(|_| ServerSideEncryption::from_static(ServerSideEncryption::AES256))
}

pub(super) fn etag(record: &ObjectRecord) -> ETag {
    ETag::Strong(record.etag.to_string())
}

pub(super) fn part_etag(part: &PartRecord) -> ETag {
    ETag::Strong(haulout_index::ETag { md5: part.etag_md5, parts: None }.to_string())
}

/// A size in bytes in the type that s3s has for it.
pub(super) fn length(size: u64) -> i64 {
    i64::try_from(size).expect("no object has 2^63 bytes")
}

/// `unix_ms`: milliseconds since 1970.
pub(super) fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from(system_time(unix_ms))
}

fn system_time(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_ms)
}

/// The bytes of an object on their way out, of a known length.
pub(super) fn body(object: OpenObject) -> StreamingBlob {
    let left = object.view.range.end - object.view.range.start;
    StreamingBlob::new(ObjectBody { stream: object.body, left })
}

struct ObjectBody {
    stream: crate::objects::ByteStream,
    /// Bytes.
    left: u64,
}

impl Stream for ObjectBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        polled
    }
}

impl ByteStream for ObjectBody {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
