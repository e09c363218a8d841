//! Signs requests as S3 clients do, and in parts, so that a test can break any one of them.
//!
//! Written from AWS's documents "Authenticating Requests (AWS Signature Version 4)" and "Signing and
//! Authenticating REST Requests" (version 2), apart from the gateway's own code: two readings of one document.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::wire::{Request, percent_encode};

/// The payload hash of a request whose body nobody signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// aws-chunked with signed chunks.
pub const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// aws-chunked with signed chunks and a signed trailer.
pub const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
/// aws-chunked without signatures, with a trailer.
pub const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// An access key pair.
#[derive(Clone)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
}

/// Who signs, for which region, at what time.
#[derive(Clone)]
pub struct Signer {
    /// The key pair.
    pub credentials: Credentials,
    /// The region in the credential scope.
    pub region: String,
    /// The time in the signature; a wrong one plays a client with a wrong clock.
    pub time: OffsetDateTime,
}

impl Signer {
    /// A signer for us-east-1 at the present time.
    #[must_use]
    pub fn now(credentials: Credentials) -> Self {
        Self { credentials, region: "us-east-1".to_owned(), time: OffsetDateTime::now_utc() }
    }

    /// Signs `request` for `host` in its Authorization header, every header covered, and returns the chain that
    /// chunk signatures continue.
    ///
    /// `payload_hash` is the value for `x-amz-content-sha256`: a SHA-256 in hex or one of this module's constants.
    pub fn sign(&self, request: &mut Request, host: &str, payload_hash: &str) -> ChunkChain {
        request.set_header("host", host);
        request.set_header("x-amz-date", self.timestamp());
        request.set_header("x-amz-content-sha256", payload_hash);
        let (canonical_headers, signed_headers) = canonical_headers(&request.headers);
        let canonical_request = format!(
            "{}\n{}\n{}\n{canonical_headers}\n{signed_headers}\n{payload_hash}",
            request.method,
            request.path,
            canonical_query(&request.query),
        );
        let signature = self.signature(&canonical_request);
        request.set_header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed_headers}, Signature={signature}",
                self.credentials.access_key_id,
                self.scope()
            ),
        );
        ChunkChain { signer: self.clone(), previous: signature }
    }

    /// Signs `request` by its query (a presigned URL of version 4, good for `expires_seconds`).
    ///
    /// The request's present headers are covered too, so that they must be sent as they are.
    pub fn presign(&self, request: &mut Request, host: &str, expires_seconds: u64) {
        request.set_header("host", host);
        let (canonical_headers, signed_headers) = canonical_headers(&request.headers);
        let credential = format!("{}/{}", self.credentials.access_key_id, self.scope());
        let items = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", credential),
            ("X-Amz-Date", self.timestamp()),
            ("X-Amz-Expires", expires_seconds.to_string()),
            ("X-Amz-SignedHeaders", signed_headers.clone()),
        ];
        request.query.extend(items.map(|(name, value)| (name.to_owned(), value)));
        let canonical_request = format!(
            "{}\n{}\n{}\n{canonical_headers}\n{signed_headers}\n{UNSIGNED_PAYLOAD}",
            request.method,
            request.path,
            canonical_query(&request.query),
        );
        request.query.push(("X-Amz-Signature".to_owned(), self.signature(&canonical_request)));
    }

    /// Signs `request` by its query as signature version 2, good until `expires_at` (seconds since 1970).
    ///
    /// Covers no sub-resource and no header but `content-type`: enough for plain GET and PUT.
    pub fn presign_v2(&self, request: &mut Request, expires_at: i64) {
        let content_type = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = content_type.map_or("", |(_, value)| value.as_str());
        let string_to_sign = format!("{}\n\n{content_type}\n{expires_at}\n{}", request.method, request.path);
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            self.credentials.secret_access_key.as_bytes(),
        );
        let signature = BASE64.encode(hmac::sign(&key, string_to_sign.as_bytes()));
        let items = [
            ("AWSAccessKeyId", self.credentials.access_key_id.clone()),
            ("Expires", expires_at.to_string()),
            ("Signature", signature),
        ];
        request.query.extend(items.map(|(name, value)| (name.to_owned(), value)));
    }

    fn signature(&self, canonical_request: &str) -> String {
        let hash = sha256_hex(canonical_request.as_bytes());
        self.mac(&format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.timestamp(), self.scope()))
    }

    fn mac(&self, string_to_sign: &str) -> String {
        let secret = format!("AWS4{}", self.credentials.secret_access_key);
        let key = [self.date().as_str(), self.region.as_str(), "s3", "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()));
        hex::encode(hmac_sha256(&key, string_to_sign.as_bytes()))
    }

    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.date(), self.region)
    }

    fn date(&self) -> String {
        self.timestamp()[..8].to_owned()
    }

    fn timestamp(&self) -> String {
        self.time
            .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
            .expect("every time of this era has that form")
    }
}

/// The running chain of chunk signatures of one aws-chunked body.
pub struct ChunkChain {
    signer: Signer,
    previous: String,
}

impl ChunkChain {
    /// Frames `chunks` with chunk signatures, the closing empty chunk included; with `trailer`, a signed trailer.
    #[must_use]
    pub fn frame(mut self, chunks: &[&[u8]], trailer: Option<(&str, &str)>) -> Vec<u8> {
        let mut framed = Vec::new();
        for chunk in chunks.iter().copied().chain([&[][..]]) {
            let signature = self.chunk_signature(chunk);
            framed.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
            framed.extend(chunk);
            // The trailer takes the place of the empty chunk's line end.
            if !chunk.is_empty() || trailer.is_none() {
                framed.extend(b"\r\n");
            }
        }
        if let Some((name, value)) = trailer {
            let hash = sha256_hex(format!("{name}:{value}\n").as_bytes());
            let signature = self.next(&format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}", self.place(), hash));
            framed.extend(format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes());
        }
        framed
    }

    fn chunk_signature(&mut self, chunk: &[u8]) -> String {
        let string_to_sign =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}", self.place(), sha256_hex(b""), sha256_hex(chunk));
        self.next(&string_to_sign)
    }

    fn place(&self) -> String {
        format!("{}\n{}\n{}", self.signer.timestamp(), self.signer.scope(), self.previous)
    }

    fn next(&mut self, string_to_sign: &str) -> String {
        self.previous = self.signer.mac(string_to_sign);
        self.previous.clone()
    }
}

/// Frames `chunks` as aws-chunked without signatures, with `trailer` at the end.
#[must_use]
pub fn frame_unsigned(chunks: &[&[u8]], trailer: Option<(&str, &str)>) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in chunks {
        framed.extend(format!("{:x}\r\n", chunk.len()).bytes());
        framed.extend(*chunk);
        framed.extend(b"\r\n");
    }
    framed.extend(b"0\r\n");
    if let Some((name, value)) = trailer {
        framed.extend(format!("{name}:{value}\r\n").bytes());
    }
    framed.extend(b"\r\n");
    framed
}

/// SHA-256 in hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn canonical_headers(headers: &[(String, String)]) -> (String, String) {
    let mut lines: Vec<(String, &str)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    lines.sort();
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let text = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (text, names.join(";"))
}

fn canonical_query(query: &[(String, String)]) -> String {
    let mut items: Vec<(String, String)> =
        query.iter().map(|(name, value)| (percent_encode(name, ""), percent_encode(value, ""))).collect();
    items.sort();
    let items: Vec<String> = items.iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn documented_signer() -> Signer {
        Signer {
            credentials: Credentials {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
                secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            },
            region: "us-east-1".to_owned(),
            time: datetime!(2013-05-24 00:00:00 UTC),
        }
    }

    /// AWS's example "GET Object" with a Range header.
    #[test]
    fn header_signature_matches_the_documented_example() {
        let mut request = Request::new("GET", "/test.txt").header("range", "bytes=0-9");
        documented_signer().sign(&mut request, "examplebucket.s3.amazonaws.com", &sha256_hex(b""));
        let (_, authorization) = request.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        assert!(
            authorization
                .ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{authorization}"
        );
    }

    /// AWS's example of a presigned GET.
    #[test]
    fn query_signature_matches_the_documented_example() {
        let mut request = Request::new("GET", "/test.txt");
        documented_signer().presign(&mut request, "examplebucket.s3.amazonaws.com", 86_400);
        let (_, signature) = request.query.last().unwrap();
        assert_eq!(signature, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    }

    /// AWS's example of a chunked upload: 64 KiB and 1 KiB of the letter a.
    #[test]
    fn chunk_signatures_match_the_documented_example() {
        let mut request = Request::new("PUT", "/examplebucket/chunkObject.txt")
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "66560")
            .header("content-length", "66824");
        let chain = documented_signer().sign(&mut request, "s3.amazonaws.com", STREAMING_SIGNED);
        assert_eq!(chain.previous, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
        let framed = chain.frame(&[&[b'a'; 65_536], &[b'a'; 1024]], None);
        assert_eq!(framed.len(), 66_824);
        let text = String::from_utf8(framed).unwrap();
        for signature in [
            "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
            "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
            "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n",
        ] {
            assert!(text.contains(signature), "{signature}");
        }
    }
}
