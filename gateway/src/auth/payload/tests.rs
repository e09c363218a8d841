//! The decoders, fed by hand and at random.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use proptest::collection::vec;
use proptest::prelude::*;

use super::chunked::ChunkedDecoder;
use super::error::{FramingFault, PayloadError, TrailerFault};
use super::mode::Trailers;
use super::plain::PlainDecoder;
use crate::auth::credentials::SecretKey;
use crate::auth::signing::{ChunkChain, Scope, Signature, SigningKey, sha256_hex};
use crate::auth::timestamp::Timestamp;

const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-crc32");

/// Feeds `wire` in pieces that end at `cuts`.
fn decode(
    mut decoder: ChunkedDecoder,
    wire: &[u8],
    cuts: &[usize],
) -> Result<(Vec<u8>, HeaderMap), PayloadError> {
    let mut decoded = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([wire.len()]) {
        let mut piece = Bytes::copy_from_slice(&wire[start..end]);
        while let Some(data) = decoder.decode(&mut piece)? {
            assert!(!data.is_empty(), "an empty piece would look like progress");
            decoded.extend_from_slice(&data);
        }
        assert!(piece.is_empty(), "a decoder without data to give has taken all input");
        start = end;
    }
    let trailers = decoder.finish()?;
    Ok((decoded, trailers))
}

fn unsigned(decoded_length: u64) -> ChunkedDecoder {
    ChunkedDecoder::unsigned(decoded_length, vec![CHECKSUM])
}

fn decode_unsigned(wire: &str, decoded_length: u64) -> Result<(Vec<u8>, HeaderMap), PayloadError> {
    decode(unsigned(decoded_length), wire.as_bytes(), &[])
}

#[test]
fn line_ends_of_all_clients_are_read() {
    for after in [
        "x-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32: NhCmhg==\r\n",
        "x-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
        "X-Amz-Checksum-Crc32 :NhCmhg==  \n\n",
    ] {
        let (decoded, trailers) =
            decode_unsigned(&format!("3\r\nhel\r\n2\r\nlo\r\n0\r\n{after}"), 5).unwrap();
        assert_eq!(decoded, b"hello");
        assert_eq!(trailers[CHECKSUM], "NhCmhg==", "{after:?}");
    }
}

#[test]
fn wrong_lengths_are_found() {
    let whole = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert!(matches!(decode_unsigned(whole, 6), Err(PayloadError::Truncated { expected: 6, received: 5 })));
    assert!(matches!(decode_unsigned(whole, 4), Err(PayloadError::TooLong { expected: 4 })));
    let huge = "ffffffffffffffff\r\nhello";
    assert!(matches!(decode_unsigned(huge, 5), Err(PayloadError::TooLong { expected: 5 })));
    let last_line = whole.find("\r\n\r\n").unwrap() + 2;
    for end in 0..last_line {
        assert!(
            matches!(
                decode_unsigned(&whole[..end], 5),
                Err(PayloadError::Truncated { .. } | PayloadError::MalformedTrailer(TrailerFault::Missing))
            ),
            "{end}"
        );
    }
}

#[test]
fn broken_framing_is_found() {
    let cases = [
        ("\r\nhello", FramingFault::Header),
        ("+5\r\nhello", FramingFault::Header),
        ("-5\r\nhello", FramingFault::Header),
        ("0x5\r\nhello", FramingFault::Header),
        ("5 \r\nhello", FramingFault::Header),
        ("5\nhello", FramingFault::Header),
        ("5;chunk-signature=00\r\nhello", FramingFault::Header),
        ("10000000000000000\r\nhello", FramingFault::Header),
        ("5\r\nhelloX\n", FramingFault::DataEnd),
        ("5\r\nhello\rX", FramingFault::DataEnd),
    ];
    for (wire, fault) in cases {
        let found = decode_unsigned(wire, 5).unwrap_err();
        assert!(matches!(found, PayloadError::BadFraming(found) if found == fault), "{wire:?}: {found:?}");
    }
    let long_header = "0".repeat(5000);
    let found = decode_unsigned(&long_header, 5).unwrap_err();
    assert!(matches!(found, PayloadError::BadFraming(FramingFault::HeaderTooLong)));
}

#[test]
fn trailers_must_be_the_announced_ones() {
    let long = format!("x-amz-checksum-crc32:{}\r\n", "A".repeat(17 * 1024));
    let cases = [
        ("\r\n", TrailerFault::Missing),
        ("x-amz-meta-a:1\r\n", TrailerFault::Unannounced),
        ("x-amz-checksum-crc32:1\r\nx-amz-checksum-crc32:1\r\n", TrailerFault::Repeated),
        ("x-amz-checksum-crc32\r\n", TrailerFault::Form),
        ("x-amz-checksum-crc32:1\r\ngarbage\r\n", TrailerFault::Form),
        (long.as_str(), TrailerFault::TooLong),
    ];
    for (after, fault) in cases {
        let found = decode_unsigned(&format!("0\r\n{after}"), 0).unwrap_err();
        assert!(
            matches!(found, PayloadError::MalformedTrailer(found) if found == fault),
            "{after:?}: {found:?}"
        );
    }
}

fn key() -> SigningKey {
    SigningKey::derive(&SecretKey::new("secret"), &scope())
}

fn scope() -> Scope {
    Scope { day: "20130524".to_owned(), region: "us-east-1".to_owned(), service: "s3".to_owned() }
}

fn timestamp() -> Timestamp {
    Timestamp::parse_basic("20130524T000000Z").unwrap()
}

/// Frames and signs `chunks` by the documented strings, spelled out once more.
fn sign_chunks(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut previous = "0".repeat(64);
    let mut wire = Vec::new();
    let last = [Vec::new()];
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()).chain(&last) {
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{previous}\n{}\n{}",
            sha256_hex(b""),
            sha256_hex(chunk)
        );
        previous = key().sign(&string_to_sign).as_str().to_owned();
        wire.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

fn signed(decoded_length: usize) -> ChunkedDecoder {
    let seed = Signature::parse(&"0".repeat(64)).unwrap();
    let chain = ChunkChain::new(key(), timestamp(), scope(), seed);
    ChunkedDecoder::signed(u64::try_from(decoded_length).unwrap(), chain, Trailers::None, Vec::new())
}

#[test]
fn nothing_may_follow_the_last_signed_chunk() {
    let wire = sign_chunks(&[b"hello".to_vec()]);
    assert_eq!(decode(signed(5), &wire, &[]).unwrap().0, b"hello");
    let without_line_end = &wire[..wire.len() - 2];
    assert_eq!(decode(signed(5), without_line_end, &[]).unwrap().0, b"hello");
    for garbage in ["x", "0\r\n\r\n", "\r\n\r\n\r\n"] {
        let wire = [&wire, garbage.as_bytes()].concat();
        let found = decode(signed(5), &wire, &[]).unwrap_err();
        assert!(matches!(found, PayloadError::BadFraming(FramingFault::TrailingBytes)), "{garbage:?}");
    }
}

#[test]
fn chunks_cannot_be_swapped_dropped_or_stripped_of_their_signature() {
    let chunk = |text: &str| text.as_bytes().to_vec();
    let wire = String::from_utf8(sign_chunks(&[chunk("aaaa"), chunk("bbbb")])).unwrap();
    let lines: Vec<&str> = wire.split_inclusive("\r\n").collect();
    let (a, b, end) = (lines[..2].concat(), lines[2..4].concat(), lines[4..].concat());
    let forged = [
        (format!("{b}{a}{end}"), 8, 0),
        (format!("{b}{end}"), 4, 0),
        (format!("{a}{a}{end}"), 8, 1),
        (format!("{a}{end}"), 4, 1),
        (format!("{a}4\r\nbbbb\r\n{end}"), 8, 1),
        (wire.replace("bbbb", "bbbc"), 8, 1),
    ];
    for (wire, decoded_length, bad_chunk) in forged {
        let found = decode(signed(decoded_length), wire.as_bytes(), &[]).unwrap_err();
        assert!(
            matches!(found, PayloadError::ChunkSignature { chunk_index } if chunk_index == bad_chunk),
            "{wire}: {found:?}"
        );
    }
}

#[test]
fn the_end_of_a_forged_chunk_is_never_passed_on() {
    let wire = sign_chunks(&[b"hello".to_vec()]);
    let forged = String::from_utf8(wire).unwrap().replace("hello", "hellO");
    let data_start = forged.find("hellO").unwrap();
    let mut decoder = signed(5);
    let mut first = Bytes::copy_from_slice(&forged.as_bytes()[..data_start + 4]);
    assert_eq!(decoder.decode(&mut first).unwrap().unwrap(), "hell");
    let mut rest = Bytes::copy_from_slice(&forged.as_bytes()[data_start + 4..]);
    assert!(matches!(decoder.decode(&mut rest), Err(PayloadError::ChunkSignature { chunk_index: 0 })));
}

#[test]
fn a_plain_payload_ends_with_its_length_and_hash() {
    let sha256: [u8; 32] = hex::decode(sha256_hex(b"hello")).unwrap().try_into().unwrap();
    let mut decoder = PlainDecoder::new(Some(5), Some(sha256));
    assert_eq!(decoder.decode(&mut Bytes::from("hel")).unwrap().unwrap(), "hel");
    assert!(matches!(decoder.decode(&mut Bytes::from("lO")), Err(PayloadError::Sha256Mismatch)));

    let mut decoder = PlainDecoder::new(None, Some(sha256));
    assert_eq!(decoder.decode(&mut Bytes::from("hel")).unwrap().unwrap(), "hel");
    assert!(matches!(decoder.finish(), Err(PayloadError::Sha256Mismatch)));

    let mut decoder = PlainDecoder::new(Some(5), None);
    decoder.decode(&mut Bytes::from("hel")).unwrap();
    assert!(matches!(decoder.finish(), Err(PayloadError::Truncated { expected: 5, received: 3 })));
    assert!(matches!(decoder.decode(&mut Bytes::from("lo!")), Err(PayloadError::TooLong { expected: 5 })));
    assert_eq!(decoder.remaining(), Some(0));
}

/// Places to cut `length` bytes, sorted.
fn cuts(seeds: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = seeds.iter().map(|seed| seed.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    /// However the network cuts a payload, the same bytes come out.
    #[test]
    fn cuts_do_not_matter(
        chunks in vec(vec(any::<u8>(), 0..300), 0..6),
        seeds in vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let object = chunks.concat();
        let wire = sign_chunks(&chunks);
        let (decoded, _) = decode(signed(object.len()), &wire, &cuts(&seeds, wire.len())).unwrap();
        prop_assert_eq!(&decoded, &object);

        let mut wire = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
        let decoder = unsigned(u64::try_from(object.len()).unwrap());
        let (decoded, trailers) = decode(decoder, &wire, &cuts(&seeds, wire.len())).unwrap();
        prop_assert_eq!(&decoded, &object);
        prop_assert_eq!(&trailers[CHECKSUM], "AAAAAA==");
    }

    /// A signed payload with any one byte changed is refused. Only the case of a size's digits is free.
    #[test]
    fn any_changed_byte_is_found(
        chunk in vec(any::<u8>(), 1..60),
        position in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut wire = sign_chunks(std::slice::from_ref(&chunk));
        // The line end after the last chunk carries nothing.
        let position = position.index(wire.len() - 2);
        let original = wire[position];
        wire[position] ^= flip;
        prop_assume!(!wire[position].eq_ignore_ascii_case(&original));
        prop_assert!(decode(signed(chunk.len()), &wire, &[]).is_err());
    }

    /// Hostile bytes end in an error or in a payload of the promised length, never in a panic.
    #[test]
    fn hostile_bytes_do_no_harm(
        wire in prop_oneof![
            vec(any::<u8>(), 0..200),
            vec(prop::sample::select(b"0159af;=\r\n:x-chunksigatre".to_vec()), 0..200),
        ],
        length in 0..40_u64,
        seeds in vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let cuts = cuts(&seeds, wire.len());
        if let Ok((decoded, _)) = decode(unsigned(length), &wire, &cuts) {
            prop_assert_eq!(u64::try_from(decoded.len()).unwrap(), length);
        }
        prop_assert!(decode(signed(usize::try_from(length).unwrap()), &wire, &cuts).is_err());
    }
}
