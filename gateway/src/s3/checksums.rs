//! Checksums and digests in headers, trailers and documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use haulout_index::{Checksum, ChecksumAlgorithm, ChecksumKind};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{self, ChecksumType};

use super::error::Refusal;
use crate::auth::PayloadInfo;
use crate::objects::ChecksumExpectation;

/// What S3 computes when the client names no algorithm.
pub(super) const DEFAULT: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

const ALL: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

const SEVERAL: Refusal = Refusal::Request("a request carries at most one checksum");

/// `Content-MD5`.
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Refusal> {
    const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
    let Some(value) = headers.get(CONTENT_MD5) else { return Ok(None) };
    let bytes = BASE64.decode(value.as_bytes()).map_err(|_| Refusal::MalformedMd5)?;
    Ok(Some(bytes.try_into().map_err(|_| Refusal::MalformedMd5)?))
}

/// The one checksum that stands in a header.
pub(super) fn in_header(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, Vec<u8>)>, Refusal> {
    let mut found = None;
    for algorithm in ALL {
        let header = header_name(algorithm);
        for value in headers.get_all(header) {
            if found.is_some() {
                return Err(SEVERAL);
            }
            let bytes = decode(algorithm, value.as_bytes()).ok_or(Refusal::MalformedChecksum { header })?;
            found = Some((algorithm, bytes));
        }
    }
    Ok(found)
}

/// The checksum of the whole object that a completion carries. A composite one may have its `-N` with it.
pub(super) fn in_completion(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, Vec<u8>)>, Refusal> {
    let mut plain = HeaderMap::new();
    for header in ALL.map(header_name) {
        for sent in headers.get_all(header) {
            let value = sent.to_str().ok().and_then(|sent| sent.split_once('-')).map(|(value, _parts)| value);
            let value = value.and_then(|value| HeaderValue::from_str(value).ok());
            plain.append(header, value.unwrap_or_else(|| sent.clone()));
        }
    }
    in_header(&plain)
}

/// A checksum's bytes as a document has them.
pub(super) fn value(algorithm: ChecksumAlgorithm, base64: &str) -> Result<Vec<u8>, Refusal> {
    let malformed = Refusal::MalformedChecksum { header: header_name(algorithm) };
    decode(algorithm, base64.as_bytes()).ok_or(malformed)
}

/// What a body's checksum must turn out to be: the one in a header or trailer, else none in particular, and
/// then of the algorithm that the client named or else `default`.
pub(super) fn expectation(
    headers: &HeaderMap,
    extensions: &Extensions,
    default: ChecksumAlgorithm,
) -> Result<ChecksumExpectation, Refusal> {
    match (in_header(headers)?, in_trailer(extensions)?) {
        (Some(_), Some(_)) => Err(SEVERAL),
        (Some((algorithm, value)), None) => Ok(ChecksumExpectation::Match(algorithm, value)),
        (None, Some(trailer)) => Ok(trailer),
        (None, None) => Ok(ChecksumExpectation::Compute(named_algorithm(headers)?.unwrap_or(default))),
    }
}

fn in_trailer(extensions: &Extensions) -> Result<Option<ChecksumExpectation>, Refusal> {
    let Some(payload) = extensions.get::<PayloadInfo>() else { return Ok(None) };
    let announced: Vec<ChecksumAlgorithm> = ALL
        .into_iter()
        .filter(|&algorithm| {
            payload.announced_trailers.iter().any(|trailer| trailer == header_name(algorithm))
        })
        .collect();
    let &[algorithm] = announced.as_slice() else {
        return if announced.is_empty() { Ok(None) } else { Err(SEVERAL) };
    };
    let trailers = payload.trailers.clone();
    let name = HeaderName::from_static(header_name(algorithm));
    let value = move || {
        let value = trailers.get()?.get(&name)?;
        // Of a wrong form is wrong, not missing: no checksum is empty.
        Some(decode(algorithm, value.as_bytes()).unwrap_or_default())
    };
    Ok(Some(ChecksumExpectation::Trailer(algorithm, Box::new(value))))
}

/// The algorithm that a request names without giving a value.
pub(super) fn named_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, Refusal> {
    let name = ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"];
    let Some(value) = name.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    algorithm(value.to_str().unwrap_or_default()).map(Some)
}

/// An algorithm by S3's name for it.
pub(super) fn algorithm(name: &str) -> Result<ChecksumAlgorithm, Refusal> {
    ALL.into_iter().find(|&algorithm| algorithm_name(algorithm).eq_ignore_ascii_case(name)).ok_or(
        Refusal::Request("the checksum algorithm is none of CRC32, CRC32C, CRC64NVME, SHA1 and SHA256"),
    )
}

/// S3's name for an algorithm.
pub(super) fn algorithm_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => dto::ChecksumAlgorithm::CRC32,
        ChecksumAlgorithm::Crc32c => dto::ChecksumAlgorithm::CRC32C,
        ChecksumAlgorithm::Crc64Nvme => dto::ChecksumAlgorithm::CRC64NVME,
        ChecksumAlgorithm::Sha1 => dto::ChecksumAlgorithm::SHA1,
        ChecksumAlgorithm::Sha256 => dto::ChecksumAlgorithm::SHA256,
    }
}

/// The header, or trailer, of an algorithm's checksum.
pub(super) fn header_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

pub(super) fn algorithm_dto(algorithm: ChecksumAlgorithm) -> dto::ChecksumAlgorithm {
    dto::ChecksumAlgorithm::from_static(algorithm_name(algorithm))
}

pub(super) fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => ChecksumType::FULL_OBJECT,
        ChecksumKind::Composite => ChecksumType::COMPOSITE,
    }
}

pub(super) fn kind_dto(kind: ChecksumKind) -> ChecksumType {
    ChecksumType::from_static(kind_name(kind))
}

/// `FULL_OBJECT` or `COMPOSITE`.
pub(super) fn kind(name: &str) -> Result<ChecksumKind, Refusal> {
    match name {
        ChecksumType::FULL_OBJECT => Ok(ChecksumKind::FullObject),
        ChecksumType::COMPOSITE => Ok(ChecksumKind::Composite),
        _ => Err(Refusal::Request("the checksum type is neither FULL_OBJECT nor COMPOSITE")),
    }
}

/// A checksum as S3 writes it: base64, and `-N` after a composite one of N parts.
pub(super) fn encode(checksum: &Checksum) -> String {
    let value = BASE64.encode(&checksum.value);
    match (checksum.kind, checksum.parts) {
        (ChecksumKind::Composite, Some(parts)) => format!("{value}-{parts}"),
        _ => value,
    }
}

/// The bytes of a checksum; `None` if `base64` is not one of `algorithm`.
pub(super) fn decode(algorithm: ChecksumAlgorithm, base64: &[u8]) -> Option<Vec<u8>> {
    let length = match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    };
    BASE64.decode(base64).ok().filter(|bytes| bytes.len() == length)
}

/// Sets the one of an answer's five checksum fields that `$checksum`, an `Option<&Checksum>`, is of.
///
/// A macro because s3s has the same five fields in nine types that share no trait.
macro_rules! set_checksum {
    ($answer:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            let value = Some($crate::s3::checksums::encode(checksum));
            match checksum.algorithm {
                haulout_index::ChecksumAlgorithm::Crc32 => $answer.checksum_crc32 = value,
                haulout_index::ChecksumAlgorithm::Crc32c => $answer.checksum_crc32c = value,
                haulout_index::ChecksumAlgorithm::Crc64Nvme => $answer.checksum_crc64nvme = value,
                haulout_index::ChecksumAlgorithm::Sha1 => $answer.checksum_sha1 = value,
                haulout_index::ChecksumAlgorithm::Sha256 => $answer.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use set_checksum;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn one_checksum_in_a_header_must_match() {
        let one = headers(&[("x-amz-checksum-crc32", "NhCmhg==")]);
        let expectation = expectation(&one, &Extensions::new(), DEFAULT).unwrap();
        let ChecksumExpectation::Match(algorithm, value) = expectation else { panic!("not a match") };
        assert_eq!((algorithm, value), (ChecksumAlgorithm::Crc32, vec![0x36, 0x10, 0xa6, 0x86]));
    }

    #[test]
    fn two_checksums_are_refused() {
        let two = headers(&[
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ]);
        assert!(matches!(in_header(&two), Err(Refusal::Request(_))));
    }

    #[test]
    fn malformed_ones_are_refused() {
        for value in ["", "NhCmhg", "!!!!", "NhCmhgAA"] {
            let malformed = headers(&[("x-amz-checksum-crc32", value)]);
            assert!(matches!(in_header(&malformed), Err(Refusal::MalformedChecksum { .. })), "{value}");
        }
        for value in ["", "abc", "NhCmhg=="] {
            assert!(matches!(content_md5(&headers(&[("content-md5", value)])), Err(Refusal::MalformedMd5)));
        }
    }

    #[test]
    fn without_a_checksum_the_named_algorithm_is_computed_else_the_default() {
        let algorithm = |pairs: &[_]| match expectation(&headers(pairs), &Extensions::new(), DEFAULT).unwrap()
        {
            ChecksumExpectation::Compute(algorithm) => algorithm,
            _ => panic!("nothing was sent"),
        };
        assert_eq!(algorithm(&[]), ChecksumAlgorithm::Crc64Nvme);
        assert_eq!(algorithm(&[("x-amz-sdk-checksum-algorithm", "crc32c")]), ChecksumAlgorithm::Crc32c);
        let unknown = headers(&[("x-amz-sdk-checksum-algorithm", "XXHASH3")]);
        assert!(expectation(&unknown, &Extensions::new(), DEFAULT).is_err());
    }

    #[test]
    fn composite_checksums_carry_their_number_of_parts() {
        let mut checksum = Checksum {
            algorithm: ChecksumAlgorithm::Crc32,
            kind: ChecksumKind::Composite,
            value: vec![0x36, 0x10, 0xa6, 0x86],
            parts: Some(3),
        };
        assert_eq!(encode(&checksum), "NhCmhg==-3");
        checksum.kind = ChecksumKind::FullObject;
        assert_eq!(encode(&checksum), "NhCmhg==");
    }
}
