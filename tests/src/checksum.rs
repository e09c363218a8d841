//! Checksums as S3 writes them in headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// CRC-32, big-endian, in base64: the value of `x-amz-checksum-crc32`.
///
/// # Panics
/// Never: a CRC-32 has 32 bits.
#[must_use]
pub fn crc32(bytes: &[u8]) -> String {
    let value = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    BASE64.encode(u32::try_from(value).expect("a CRC-32 has 32 bits").to_be_bytes())
}
