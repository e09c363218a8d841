//! The worked examples that AWS publishes.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)", the examples of its pages on the
//! Authorization header, query parameters, chunked upload and trailing headers.

use bytes::Bytes;
use http::Request;
use s3s::Body;

use super::harness::{Outcome, authorization, example, send};
use crate::auth::{Identity, PayloadInfo};

const BUCKET_HOST: &str = "examplebucket.s3.amazonaws.com";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[tokio::test]
async fn get_object() {
    let signed = "host;range;x-amz-content-sha256;x-amz-date";
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let request = example("GET", "/test.txt", BUCKET_HOST, EMPTY)
        .header("range", "bytes=0-9")
        .header("authorization", authorization(signed, signature));
    let (parts, body) = send(request.body(Body::empty()).unwrap()).await.passed();
    assert!(body.is_empty());
    assert_eq!(parts.extensions.get::<Identity>().unwrap().access_key, "AKIAIOSFODNN7EXAMPLE");
    assert!(!parts.headers.contains_key("authorization"));
    assert!(!parts.headers.contains_key("x-amz-content-sha256"));
    assert_eq!(parts.headers["range"], "bytes=0-9");
}

#[tokio::test]
async fn put_object() {
    let signed = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
    let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    let sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let request = example("PUT", "/test$file.text", BUCKET_HOST, sha256)
        .header("date", "Fri, 24 May 2013 00:00:00 GMT")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("content-length", "21")
        .header("authorization", authorization(signed, signature));
    let (_, body) =
        send(request.body(Body::from(Bytes::from("Welcome to Amazon S3."))).unwrap()).await.passed();
    assert_eq!(body, "Welcome to Amazon S3.");
}

#[tokio::test]
async fn get_bucket_lifecycle() {
    let signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    let request = example("GET", "/?lifecycle", BUCKET_HOST, EMPTY)
        .header("authorization", authorization("host;x-amz-content-sha256;x-amz-date", signature));
    send(request.body(Body::empty()).unwrap()).await.passed();
}

#[tokio::test]
async fn list_objects() {
    let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    let request = example("GET", "/?max-keys=2&prefix=J", BUCKET_HOST, EMPTY)
        .header("authorization", authorization("host;x-amz-content-sha256;x-amz-date", signature));
    let (parts, _) = send(request.body(Body::empty()).unwrap()).await.passed();
    assert_eq!(parts.uri.query(), Some("max-keys=2&prefix=J"));
}

#[tokio::test]
async fn presigned_get() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
               &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
               &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Request::get(uri).header("host", BUCKET_HOST).body(Body::empty()).unwrap();
    let (parts, _) = send(request).await.passed();
    assert_eq!(parts.uri, "/test.txt");
}

/// Sends the body of the chunked examples: 65 KiB of `a`, in chunks of 64 KiB and 1 KiB.
async fn send_chunks(request: http::request::Builder, signatures: [&str; 3], after: &str) -> Outcome {
    let mut body = Vec::new();
    for (size, signature) in [65536_usize, 1024, 0].into_iter().zip(signatures) {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend(std::iter::repeat_n(b'a', size));
        if size > 0 {
            body.extend_from_slice(b"\r\n");
        }
    }
    body.extend_from_slice(after.as_bytes());
    send(request.body(Body::from(body)).unwrap()).await
}

fn chunked_example(payload: &str) -> http::request::Builder {
    example("PUT", "/examplebucket/chunkObject.txt", "s3.amazonaws.com", payload)
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
}

#[tokio::test]
async fn signed_chunks() {
    let signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
                  x-amz-decoded-content-length;x-amz-storage-class";
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let request = chunked_example("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-length", "66824")
        .header("authorization", authorization(signed, seed));
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    let (parts, body) = send_chunks(request, signatures, "\r\n").await.passed();
    assert_eq!(body, vec![b'a'; 66560]);
    assert_eq!(parts.headers["content-length"], "66560");
    assert!(!parts.headers.contains_key("content-encoding"));
    assert!(!parts.headers.contains_key("x-amz-decoded-content-length"));
    assert_eq!(parts.extensions.get::<PayloadInfo>().unwrap().decoded_length, Some(66560));
}

#[tokio::test]
async fn signed_chunks_with_trailer() {
    let signed = "content-encoding;host;x-amz-content-sha256;x-amz-date;\
                  x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer";
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let request = || {
        chunked_example("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
            .header("x-amz-trailer", "x-amz-checksum-crc32c")
            .header("authorization", authorization(signed, seed))
    };
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
                   x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let (parts, body) = send_chunks(request(), signatures, trailer).await.passed();
    assert_eq!(body.len(), 66560);
    let info = parts.extensions.get::<PayloadInfo>().unwrap();
    assert_eq!(info.announced_trailers, ["x-amz-checksum-crc32c"]);
    assert_eq!(info.trailers.get().unwrap()["x-amz-checksum-crc32c"], "sOO8/Q==");

    let forged = trailer.replace("sOO8", "sOO9");
    let outcome = send_chunks(request(), signatures, &forged).await;
    outcome.assert_answer(403, "SignatureDoesNotMatch");
    let unsigned = "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n";
    send_chunks(request(), signatures, unsigned).await.assert_answer(400, "MalformedTrailerError");
}
