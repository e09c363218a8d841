//! Quilts: many small blobs stored as one, each readable without the rest.
//!
//! A quilt is an ordinary blob that fills its matrix exactly. Each patch occupies whole columns of the matrix, hence
//! whole secondary slivers; an index in the first columns says which. Read as one stream, column after column, an
//! item simply begins at a column and runs on, and zeros fill the rest of its last column.
//! Source: Walrus documentation, "Quilt", format version 1.

mod identifier;
mod index;
mod layout;
mod pack;
mod patch_id;

use std::collections::BTreeMap;

use crate::wire::{self, Reader, WireError};

pub use identifier::{InvalidPatchIdentifier, PatchIdentifier};
pub use index::{IndexEntry, QuiltIndex};
pub use layout::{QuiltLayout, ReadQuiltError, StoredPatch};
pub use pack::{NewPatch, PackError, Quilt, pack};
pub use patch_id::{InvalidPatchId, PatchColumns, PatchId};

/// The format version of indexes, patches and patch IDs.
const QUILT_V1: u8 = 1;
/// Version and length before the index.
const INDEX_PREFIX_BYTES: usize = 5;
/// Version, length and mask before each patch's identifier.
const PATCH_HEADER_BYTES: usize = 6;
/// Bit of a patch's mask that says that tags follow the identifier.
const HAS_TAGS: u8 = 1;
/// Columns that the index may take.
const MAX_INDEX_COLUMNS: usize = 10;

/// Free-form properties of a patch.
pub type Tags = BTreeMap<String, String>;

/// Appends a map, whose keys BCS orders by their serialised bytes: shorter ones first.
fn put_tags(out: &mut Vec<u8>, tags: &Tags) {
    let serialised = |text: &String| {
        let mut bytes = Vec::new();
        wire::put_string(&mut bytes, text);
        bytes
    };
    let mut entries: Vec<_> = tags.iter().map(|(key, value)| (serialised(key), serialised(value))).collect();
    entries.sort_unstable();
    wire::put_length(out, entries.len());
    for (key, value) in entries {
        out.extend_from_slice(&key);
        out.extend_from_slice(&value);
    }
}

fn read_tags(reader: &mut Reader<'_>) -> Result<Tags, WireError> {
    /// An empty key and an empty value.
    const ENTRY_MIN_BYTES: usize = 2;
    let mut tags = Tags::new();
    let mut previous: Option<&str> = None;
    for _ in 0..reader.count(ENTRY_MIN_BYTES)? {
        let key = reader.string()?;
        // For keys of up to 127 bytes the length is the first byte, and for longer ones the order of LEB128 lengths
        // is that of their bytes, not of the numbers.
        if previous.is_some_and(|previous| serialised_order(previous, key).is_ge()) {
            return Err(WireError::UnorderedKeys);
        }
        tags.insert(key.to_owned(), reader.string()?.to_owned());
        previous = Some(key);
    }
    Ok(tags)
}

fn serialised_order(left: &str, right: &str) -> std::cmp::Ordering {
    let length = |text: &str| {
        let mut bytes = Vec::with_capacity(5);
        wire::put_length(&mut bytes, text.len());
        bytes
    };
    length(left).cmp(&length(right)).then_with(|| left.cmp(right))
}
