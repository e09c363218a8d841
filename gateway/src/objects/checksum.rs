//! The checksums S3 clients ask for, computed while bytes stream by, and combined over parts.
//!
//! Source: Amazon S3 User Guide, "Checking object integrity": full-object and composite checksums.

use aws_lc_rs::digest;
use crc_fast::CrcAlgorithm;
use haulout_index::{Checksum, ChecksumAlgorithm, ChecksumKind};

/// A checksum in the making.
pub enum RunningChecksum {
    /// One of the CRCs.
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    /// SHA-1 or SHA-256.
    Sha(ChecksumAlgorithm, Box<digest::Context>),
}

impl RunningChecksum {
    /// Begins an empty one.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (crc(algorithm), algorithm) {
            (Some(crc), _) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (None, ChecksumAlgorithm::Sha1) => {
                Self::Sha(algorithm, Box::new(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)))
            }
            (None, _) => Self::Sha(algorithm, Box::new(digest::Context::new(&digest::SHA256))),
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha(_, context) => context.update(bytes),
        }
    }

    /// The checksum of everything taken in, as one of the full object.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => (algorithm, crc_bytes(algorithm, digest.finalize())),
            Self::Sha(algorithm, context) => (algorithm, context.finish().as_ref().to_vec()),
        };
        Checksum { algorithm, kind: ChecksumKind::FullObject, value, parts: None }
    }
}

/// The kind S3 gives a multipart upload that names only an algorithm.
#[must_use]
pub fn default_kind(algorithm: ChecksumAlgorithm) -> ChecksumKind {
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        ChecksumAlgorithm::Crc32
        | ChecksumAlgorithm::Crc32c
        | ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256 => ChecksumKind::Composite,
    }
}

/// Whether S3 offers this kind for this algorithm: CRC64NVME only covers full objects, SHA only composes.
#[must_use]
pub fn kind_exists(algorithm: ChecksumAlgorithm, kind: ChecksumKind) -> bool {
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => kind == ChecksumKind::FullObject,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => kind == ChecksumKind::Composite,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => true,
    }
}

/// The checksum of parts put together, from their own checksums and sizes in bytes; nothing is read again.
///
/// `None` when a part lacks a checksum of `algorithm`, or the kind does not exist for it.
#[must_use]
pub(super) fn combine(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    parts: &[(Option<&Checksum>, u64)],
) -> Option<Checksum> {
    if !kind_exists(algorithm, kind) {
        return None;
    }
    let values: Vec<(&[u8], u64)> = parts
        .iter()
        .map(|(checksum, size)| {
            checksum
                .filter(|checksum| checksum.algorithm == algorithm)
                .map(|checksum| (&*checksum.value, *size))
        })
        .collect::<Option<_>>()?;
    match kind {
        ChecksumKind::Composite => {
            let mut running = RunningChecksum::new(algorithm);
            values.iter().for_each(|(value, _)| running.update(value));
            let parts = u16::try_from(values.len()).ok()?;
            Some(Checksum { kind, parts: Some(parts), ..running.finish() })
        }
        ChecksumKind::FullObject => {
            let crc = crc(algorithm)?;
            let combined = values.iter().map(|&(value, size)| (crc_value(value), size)).reduce(
                |(left, left_size), (right, right_size)| {
                    (crc_fast::checksum_combine(crc, left, right, right_size), left_size + right_size)
                },
            )?;
            Some(Checksum { algorithm, kind, value: crc_bytes(algorithm, combined.0), parts: None })
        }
    }
}

fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// S3 writes a CRC big-endian: 4 bytes, or 8 for CRC64NVME.
fn crc_bytes(algorithm: ChecksumAlgorithm, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => bytes.to_vec(),
        _ => bytes[4..].to_vec(),
    }
}

fn crc_value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut running = RunningChecksum::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    #[test]
    fn known_answers_of_the_check_string() {
        let expected =
            ["cbf43926", "e3069283", "ae8b14860a799888", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"];
        for (algorithm, expected) in ALGORITHMS.into_iter().zip(expected) {
            assert_eq!(hex::encode(of(algorithm, b"123456789").value), expected);
        }
    }

    #[test]
    fn combined_crcs_equal_the_crc_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 253) as u8).collect();
        for algorithm in ALGORITHMS.into_iter().filter(|&a| kind_exists(a, ChecksumKind::FullObject)) {
            let parts: Vec<(Checksum, u64)> = [&bytes[..1], &bytes[1..70_001], &bytes[70_001..]]
                .map(|part| (of(algorithm, part), part.len() as u64))
                .into();
            let borrowed: Vec<_> = parts.iter().map(|(checksum, size)| (Some(checksum), *size)).collect();
            let combined = combine(algorithm, ChecksumKind::FullObject, &borrowed).unwrap();
            assert_eq!(combined, of(algorithm, &bytes));
        }
    }

    #[test]
    fn a_composite_hashes_the_parts_checksums_and_counts_them() {
        let (left, right) = (of(ChecksumAlgorithm::Sha256, b"a"), of(ChecksumAlgorithm::Sha256, b"b"));
        let combined = combine(
            ChecksumAlgorithm::Sha256,
            ChecksumKind::Composite,
            &[(Some(&left), 1), (Some(&right), 1)],
        )
        .unwrap();
        assert_eq!(
            combined.value,
            of(ChecksumAlgorithm::Sha256, &[left.value.clone(), right.value].concat()).value
        );
        assert_eq!(combined.parts, Some(2));
        assert!(
            combine(ChecksumAlgorithm::Sha256, ChecksumKind::Composite, &[(Some(&left), 1), (None, 1)])
                .is_none()
        );
        assert!(combine(ChecksumAlgorithm::Sha256, ChecksumKind::FullObject, &[(Some(&left), 1)]).is_none());
    }
}
