//! BCS, the network's byte format: a strict bounded reader and a writer.
//!
//! Only what the types of this crate need. Reading never allocates more than the input is long.
//! Source: the BCS specification, "Binary Canonical Serialization".

use std::ops::Range;

/// The bytes are not the canonical form of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a value.
    #[error("{needed} more bytes were needed, {left} are left")]
    Truncated {
        /// Bytes the next value takes.
        needed: usize,
        /// Bytes that remain.
        left: usize,
    },
    /// Bytes follow the value.
    #[error("{left} bytes follow the value")]
    TrailingBytes {
        /// Bytes that remain.
        left: usize,
    },
    /// A length is above `u32::MAX` or not in its shortest form.
    #[error("a length is not in canonical form")]
    InvalidLength,
    /// An enum tag that this type does not have.
    #[error("{found} is not a variant of {expected}")]
    UnknownVariant {
        /// The type being read.
        expected: &'static str,
        /// The tag found.
        found: u8,
    },
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// A map's keys are not in ascending order of their serialised bytes, or repeat.
    #[error("the keys of a map are out of order")]
    UnorderedKeys,
    /// More items than the value can have.
    #[error("{found} items where at most {max} are possible")]
    TooManyItems {
        /// Items announced.
        found: usize,
        /// Most that are possible.
        max: usize,
    },
}

/// Reads values from the front of a slice.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    pub(crate) fn left(&self) -> usize {
        self.input.len() - self.position
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Takes `len` bytes, answering where they lie, so that callers can slice without a copy.
    pub(crate) fn range(&mut self, len: usize) -> Result<Range<usize>, WireError> {
        if len > self.left() {
            return Err(WireError::Truncated { needed: len, left: self.left() });
        }
        let start = self.position;
        self.position += len;
        Ok(start..self.position)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let range = self.range(len)?;
        Ok(&self.input[range])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        Ok(self.bytes(N)?.try_into().expect("the reader took exactly N bytes"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// An unsigned LEB128 length of at most 32 bits, in shortest form.
    pub(crate) fn length(&mut self) -> Result<usize, WireError> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let padded = byte == 0 && shift > 0;
                let length = u32::try_from(value).ok().filter(|_| !padded).ok_or(WireError::InvalidLength)?;
                return usize::try_from(length).map_err(|_| WireError::InvalidLength);
            }
        }
        Err(WireError::InvalidLength)
    }

    /// The length of a vector whose items take at least `item_bytes` each, refused when they cannot all be there.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize, WireError> {
        let found = self.length()?;
        let max = self.left() / item_bytes;
        if found > max { Err(WireError::TooManyItems { found, max }) } else { Ok(found) }
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, WireError> {
        let len = self.length()?;
        std::str::from_utf8(self.bytes(len)?).map_err(WireError::NotUtf8)
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.left() {
            0 => Ok(()),
            left => Err(WireError::TrailingBytes { left }),
        }
    }
}

/// Appends an unsigned LEB128 length.
///
/// # Panics
/// Above `u32::MAX`, which BCS cannot express; no value of this crate is that long.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    let mut rest = u32::try_from(length).expect("lengths in this crate fit 32 bits");
    loop {
        let [low, ..] = (rest & 0x7f).to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Bytes of the LEB128 form of a length.
pub(crate) fn length_bytes(length: usize) -> usize {
    let mut out = Vec::with_capacity(5);
    put_length(&mut out, length);
    out.len()
}

/// Appends a string with its length.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(bytes: &[u8]) -> Result<usize, WireError> {
        Reader::new(bytes).length()
    }

    #[test]
    fn lengths_are_read_back_at_every_width() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456, 4_294_967_295] {
            let mut bytes = Vec::new();
            put_length(&mut bytes, value);
            assert_eq!(bytes.len(), length_bytes(value));
            assert_eq!(length(&bytes), Ok(value));
        }
    }

    #[test]
    fn lengths_that_are_too_long_or_too_large_are_refused() {
        for bytes in [&[0x80, 0][..], &[0xff, 0x80, 0], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80; 6]] {
            assert_eq!(length(bytes), Err(WireError::InvalidLength));
        }
        assert_eq!(length(&[0x80]), Err(WireError::Truncated { needed: 1, left: 0 }));
    }

    #[test]
    fn a_count_beyond_the_input_is_refused_before_anything_is_allocated() {
        let refused = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]).count(2);
        assert_eq!(refused, Err(WireError::TooManyItems { found: 0xffff_ffff, max: 1 }));
    }

    #[test]
    fn nothing_may_follow() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.finish(), Err(WireError::TrailingBytes { left: 1 }));
    }
}
