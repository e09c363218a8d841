//! Packing patches into a quilt.

use super::index::{IndexEntry, QuiltIndex, put_entry};
use super::{
    HAS_TAGS, INDEX_PREFIX_BYTES, MAX_INDEX_COLUMNS, PATCH_HEADER_BYTES, PatchColumns, PatchIdentifier,
    QUILT_V1, Tags, put_tags,
};
use crate::layout::{EncodingConfig, MAX_SYMBOL_BYTES, Shape};
use crate::wire;

/// A small blob to be packed.
#[derive(Clone, Debug)]
pub struct NewPatch<'a> {
    /// Its name, unique in the quilt.
    pub identifier: PatchIdentifier,
    /// Its properties, at most 65,535 bytes in BCS.
    pub tags: Tags,
    /// Its bytes.
    pub data: &'a [u8],
}

/// A packed quilt: a blob ready to be encoded, and what is where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quilt {
    /// The blob, which fills its matrix exactly.
    pub bytes: Vec<u8>,
    /// Bytes of each symbol that the blob is encoded with.
    pub symbol_size: u16,
    /// The patches, ordered by identifier.
    pub index: QuiltIndex,
}

/// Patches cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// More patches than columns that the index leaves.
    #[error("a quilt holds at most {max} patches, not {found}")]
    TooManyPatches {
        /// Patches given.
        found: usize,
        /// Most that this number of shards allows.
        max: usize,
    },
    /// Two patches of one name.
    #[error("two patches are named {identifier:?}")]
    DuplicateIdentifier {
        /// That name.
        identifier: PatchIdentifier,
    },
    /// Tags whose length does not fit 16 bits.
    #[error("the tags of patch {identifier:?} take {found} bytes, more than {}", u16::MAX)]
    TagsTooLarge {
        /// The patch's name.
        identifier: PatchIdentifier,
        /// Bytes in BCS.
        found: usize,
    },
    /// A patch whose length does not fit 32 bits.
    #[error("patch {identifier:?} takes {found} bytes, more than {}", u32::MAX)]
    PatchTooLarge {
        /// The patch's name.
        identifier: PatchIdentifier,
        /// Bytes after its header.
        found: usize,
    },
    /// Symbols would exceed [`MAX_SYMBOL_BYTES`].
    #[error(
        "the patches do not fit one quilt: symbols would have {symbol_size} bytes, more than {MAX_SYMBOL_BYTES}"
    )]
    QuiltTooLarge {
        /// The symbol size that would be needed.
        symbol_size: u64,
    },
}

/// Packs patches into one blob, in the order of their identifiers' bytes.
///
/// Each patch begins a new column and so wastes half a column on average; one large patch among small ones makes
/// all columns larger. Patches of similar size pack best. The blob takes `n_rows × n_columns` symbols.
///
/// # Errors
/// [`PackError`] if there are too many patches, if two have one name, or if they are too large.
pub fn pack(config: EncodingConfig, mut patches: Vec<NewPatch<'_>>) -> Result<Quilt, PackError> {
    let max = usize::from(config.n_columns()) - 1;
    if patches.len() > max {
        return Err(PackError::TooManyPatches { found: patches.len(), max });
    }
    patches.sort_by(|left, right| left.identifier.cmp(&right.identifier));
    if let Some(pair) = patches.windows(2).find(|pair| pair[0].identifier == pair[1].identifier) {
        return Err(PackError::DuplicateIdentifier { identifier: pair[0].identifier.clone() });
    }
    let framings = patches.iter().map(framing).collect::<Result<Vec<_>, _>>()?;
    let patch_sizes = framings.iter().zip(&patches).map(|(framing, patch)| framing.len() + patch.data.len());
    // Column numbers have a fixed width, so the index is as long before the layout is known as after.
    let draft = index_bytes(&patches, |_| 0);
    let sizes: Vec<usize> = std::iter::once(draft.len()).chain(patch_sizes).collect();
    let symbol_size = symbol_size(config, &sizes)?;
    let shape = shape(config, symbol_size);
    let columns = place(&shape, &sizes);

    let mut bytes = vec![0; shape.source_bytes()];
    let index = index_bytes(&patches, |patch| columns[patch].end());
    write_stream(&shape, &mut bytes, 0, &[&index]);
    for ((patch, framing), columns) in patches.iter().zip(&framings).zip(&columns) {
        write_stream(&shape, &mut bytes, columns.start(), &[framing, patch.data]);
    }
    let entry = |(patch, &columns): (NewPatch<'_>, &PatchColumns)| IndexEntry {
        identifier: patch.identifier.as_str().to_owned(),
        tags: patch.tags,
        columns,
    };
    let entries = patches.into_iter().zip(&columns).map(entry).collect();
    Ok(Quilt { bytes, symbol_size, index: QuiltIndex::new(entries) })
}

/// What precedes a patch's data: header, identifier and tags.
fn framing(patch: &NewPatch<'_>) -> Result<Vec<u8>, PackError> {
    let mut sections = patch.identifier.bcs_bytes().to_le_bytes().to_vec();
    wire::put_string(&mut sections, patch.identifier.as_str());
    let mut mask = 0;
    if !patch.tags.is_empty() {
        mask |= HAS_TAGS;
        let mut tags = Vec::new();
        put_tags(&mut tags, &patch.tags);
        let tag_bytes = u16::try_from(tags.len()).map_err(|_| PackError::TagsTooLarge {
            identifier: patch.identifier.clone(),
            found: tags.len(),
        })?;
        sections.extend_from_slice(&tag_bytes.to_le_bytes());
        sections.extend_from_slice(&tags);
    }
    let found = sections.len() + patch.data.len();
    let length = u32::try_from(found)
        .map_err(|_| PackError::PatchTooLarge { identifier: patch.identifier.clone(), found })?;
    let mut framing = Vec::with_capacity(PATCH_HEADER_BYTES + sections.len());
    framing.push(QUILT_V1);
    framing.extend_from_slice(&length.to_le_bytes());
    framing.push(mask);
    framing.extend_from_slice(&sections);
    Ok(framing)
}

/// The index with its prefix; `end` is the column after a patch's last.
fn index_bytes(patches: &[NewPatch<'_>], end: impl Fn(usize) -> u16) -> Vec<u8> {
    let mut index = Vec::new();
    wire::put_length(&mut index, patches.len());
    for (position, patch) in patches.iter().enumerate() {
        put_entry(&mut index, end(position), patch.identifier.as_str(), &patch.tags);
    }
    // Cannot overflow: at most 999 patches of 64 KiB identifiers and as many tags.
    let length = u32::try_from(index.len()).expect("999 entries of 128 KiB are shorter than 2^32 bytes");
    let mut out = Vec::with_capacity(INDEX_PREFIX_BYTES + index.len());
    out.push(QUILT_V1);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&index);
    out
}

/// The smallest symbols with which items of these sizes, the index first, fit the columns.
fn symbol_size(config: EncodingConfig, sizes: &[usize]) -> Result<u16, PackError> {
    let [rows, columns] = [config.n_rows(), config.n_columns()].map(usize::from);
    let fits = |size: usize| sizes.iter().map(|item| item.div_ceil(size * rows)).sum::<usize>() <= columns;
    let total: usize = sizes.iter().sum();
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let mut low = total
        .div_ceil(rows * columns)
        .max(sizes[0].div_ceil(rows * MAX_INDEX_COLUMNS))
        .max(INDEX_PREFIX_BYTES.div_ceil(rows));
    // With an equal share of the columns for each item, all fit for sure.
    let mut high = largest.div_ceil(columns / sizes.len() * rows).max(low);
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let even = low.next_multiple_of(2);
    u16::try_from(even).ok().filter(|&size| size <= MAX_SYMBOL_BYTES).ok_or(PackError::QuiltTooLarge {
        symbol_size: u64::try_from(even).expect("memory is shorter than 2^64 bytes"),
    })
}

fn shape(config: EncodingConfig, symbol_size: u16) -> Shape {
    Shape {
        n: usize::from(config.n_shards()),
        n_rows: usize::from(config.n_rows()),
        n_columns: usize::from(config.n_columns()),
        symbol_size: usize::from(symbol_size),
    }
}

/// The columns of each patch; the index, first of `sizes`, has those before them.
fn place(shape: &Shape, sizes: &[usize]) -> Vec<PatchColumns> {
    let width = |size: &usize| {
        u16::try_from(size.div_ceil(shape.secondary_bytes()))
            .expect("the symbol size makes items fit the columns")
    };
    let mut start = width(&sizes[0]);
    let place = |size: &usize| {
        let columns = PatchColumns::new(start, start + width(size)).expect("a patch has at least its header");
        start = columns.end();
        columns
    };
    sizes[1..].iter().map(place).collect()
}

/// Writes `parts` one after the other down the columns from `column` on.
fn write_stream(shape: &Shape, blob: &mut [u8], column: u16, parts: &[&[u8]]) {
    let mut offset = usize::from(column) * shape.secondary_bytes();
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let within_symbol = offset % shape.symbol_size;
            let (now, later) = rest.split_at(rest.len().min(shape.symbol_size - within_symbol));
            let (column, row) =
                (offset / shape.secondary_bytes(), offset % shape.secondary_bytes() / shape.symbol_size);
            let symbol = (row * shape.n_columns + column) * shape.symbol_size;
            blob[symbol + within_symbol..][..now.len()].copy_from_slice(now);
            offset += now.len();
            rest = later;
        }
    }
}
