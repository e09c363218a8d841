//! Recovering one sliver from symbols of the slivers that cross it, without the blob.
//!
//! Every row of the extended matrix crosses every column, and a sliver's hash covers all `n_shards` symbols of its
//! line. So the owner of any column can hand out one symbol of a lost row with a proof, and `n_columns` such
//! symbols restore the row; likewise `n_rows` symbols a column.
//! Source: Walrus documentation, "RedStuff", sliver recovery.

use bytes::Bytes;

use crate::code::{LineCode, LinePart, source_line};
use crate::ids::{Axis, SliverIndex};
use crate::layout::EncodingConfig;
use crate::merkle::{Digest, MerkleProof, MerkleTree};
use crate::metadata::VerifiedMetadata;
use crate::sliver::{Sliver, SliverError, check_form, check_hash, check_root};
use crate::sliver_hash::SliverHasher;
use crate::wire::{self, Reader, WireError};

/// A sliver with the symbols that the code appends to it, ready to prove any of them.
pub struct ExtendedSliver {
    sliver: Sliver,
    extension: Vec<u8>,
    tree: MerkleTree,
}

impl ExtendedSliver {
    /// Extends and hashes a sliver. Costs as much as verifying it.
    ///
    /// # Errors
    /// [`SliverError`] if the sliver is not the one that the metadata promises: its symbols would help nobody.
    ///
    /// # Panics
    /// If `metadata` was verified for another `config`.
    pub fn new(
        config: EncodingConfig,
        metadata: &VerifiedMetadata,
        sliver: Sliver,
    ) -> Result<Self, SliverError> {
        check_form(config, metadata, &sliver)?;
        let (extension, leaves) = SliverHasher::new(metadata, sliver.axis).into_extension(&sliver.data);
        let tree = MerkleTree::new(leaves);
        check_hash(metadata, sliver.axis, sliver.index, tree.root())?;
        Ok(Self { sliver, extension, tree })
    }

    /// The symbol where this sliver crosses sliver `target` of the other axis, with its proof; `None` if there is
    /// no such sliver.
    pub fn recovery_symbol(&self, target: SliverIndex) -> Option<RecoverySymbol> {
        let symbol_size = usize::from(self.sliver.symbol_size);
        let index = usize::from(target.0);
        let mut symbols = self.sliver.data.chunks(symbol_size).chain(self.extension.chunks(symbol_size));
        let data = Bytes::copy_from_slice(symbols.nth(index)?);
        let target_axis = self.sliver.axis.orthogonal();
        Some(RecoverySymbol { target_axis, source: self.sliver.index, data, proof: self.tree.prove(index) })
    }
}

/// One symbol of a sliver to be recovered, cut from a sliver that crosses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverySymbol {
    /// The axis of the sliver to be recovered.
    pub target_axis: Axis,
    /// The sliver of the other axis that the symbol was cut from: the symbol's position in the target's line.
    pub source: SliverIndex,
    /// The symbol.
    pub data: Bytes,
    /// Proof that the symbol is in the source sliver, at the target's position.
    pub proof: MerkleProof,
}

/// A recovery symbol is not what the metadata promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// There is no such sliver.
    #[error("index {} is not below the {n_shards} shards", index.0)]
    IndexTooLarge {
        /// The index that came.
        index: SliverIndex,
        /// Number of shards.
        n_shards: u16,
    },
    /// Not as long as the blob's symbols.
    #[error("a symbol of {expected} bytes was expected, {found} came")]
    SizeMismatch {
        /// The blob's symbol size.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// The proof does not lead to the source sliver's hash.
    #[error("the proof of the symbol from sliver {} does not hold", source_sliver.0)]
    InvalidProof {
        /// The sliver that the symbol is said to be from.
        source_sliver: SliverIndex,
    },
}

impl RecoverySymbol {
    /// Checks that this is the symbol at sliver `target` of [`Self::target_axis`].
    ///
    /// # Errors
    /// [`SymbolError`], a variant for each way to be wrong.
    ///
    /// # Panics
    /// If `metadata` was verified for another `config`.
    pub fn verify(
        &self,
        config: EncodingConfig,
        metadata: &VerifiedMetadata,
        target: SliverIndex,
    ) -> Result<(), SymbolError> {
        metadata.assert_config(config);
        let n_shards = config.n_shards();
        if let Some(index) = [self.source, target].into_iter().find(|index| index.0 >= n_shards) {
            return Err(SymbolError::IndexTooLarge { index, n_shards });
        }
        let expected = usize::from(metadata.symbol_size_bytes());
        if self.data.len() != expected {
            return Err(SymbolError::SizeMismatch { expected, found: self.data.len() });
        }
        let root: Digest = metadata.sliver_hash(self.target_axis.orthogonal(), self.source);
        if self.proof.proves(&root, &self.data, target.0, n_shards) {
            Ok(())
        } else {
            Err(SymbolError::InvalidProof { source_sliver: self.source })
        }
    }

    /// The byte form within a known axis: `RecoverySymbol` in BCS.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Reads [`Self::to_bcs`]; the axis comes from elsewhere.
    ///
    /// # Errors
    /// [`WireError`] unless `bytes` is exactly one canonical symbol.
    pub fn from_bcs(target_axis: Axis, bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let symbol = Self::read(target_axis, &mut reader)?;
        reader.finish()?;
        Ok(symbol)
    }

    /// The byte form that says all by itself: `GeneralRecoverySymbol` in BCS.
    pub fn to_general_bcs(&self, target: SliverIndex) -> Vec<u8> {
        let mut out = vec![axis_tag(self.target_axis)];
        self.write_symbol(&mut out);
        out.extend_from_slice(&target.0.to_le_bytes());
        self.proof.write(&mut out);
        out
    }

    /// Reads [`Self::to_general_bcs`]: the symbol and its target.
    ///
    /// # Errors
    /// [`WireError`] unless `bytes` is exactly one canonical symbol.
    pub fn from_general_bcs(bytes: &[u8]) -> Result<(Self, SliverIndex), WireError> {
        let mut reader = Reader::new(bytes);
        let target_axis = read_axis(&mut reader)?;
        let (source, data) = read_symbol(&mut reader)?;
        let target = SliverIndex(reader.u16()?);
        let proof = MerkleProof::read(&mut reader)?;
        reader.finish()?;
        Ok((Self { target_axis, source, data, proof }, target))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.write_symbol(out);
        self.proof.write(out);
    }

    fn write_symbol(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source.0.to_le_bytes());
        wire::put_length(out, self.data.len());
        out.extend_from_slice(&self.data);
    }

    fn read(target_axis: Axis, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (source, data) = read_symbol(reader)?;
        Ok(Self { target_axis, source, data, proof: MerkleProof::read(reader)? })
    }
}

fn axis_tag(axis: Axis) -> u8 {
    match axis {
        Axis::Primary => 0,
        Axis::Secondary => 1,
    }
}

fn read_axis(reader: &mut Reader<'_>) -> Result<Axis, WireError> {
    match reader.u8()? {
        0 => Ok(Axis::Primary),
        1 => Ok(Axis::Secondary),
        found => Err(WireError::UnknownVariant { expected: "the axes", found }),
    }
}

fn read_symbol(reader: &mut Reader<'_>) -> Result<(SliverIndex, Bytes), WireError> {
    let source = SliverIndex(reader.u16()?);
    let data_bytes = reader.length()?;
    Ok((source, Bytes::copy_from_slice(reader.bytes(data_bytes)?)))
}

/// Symbols that were all proven and yet do not make the sliver that the metadata promises: whoever encoded the blob
/// cheated, and these symbols convince everybody else of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InconsistencyProof {
    /// The axis of the sliver that cannot be recovered.
    pub target_axis: Axis,
    /// That sliver.
    pub target: SliverIndex,
    /// Exactly as many proven symbols as recovery takes.
    pub symbols: Vec<RecoverySymbol>,
}

impl InconsistencyProof {
    /// The byte form within a known axis: `InconsistencyProof` in BCS.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = self.target.0.to_le_bytes().to_vec();
        wire::put_length(&mut out, self.symbols.len());
        self.symbols.iter().for_each(|symbol| symbol.write(&mut out));
        out
    }

    /// Reads [`Self::to_bcs`]; the axis comes from elsewhere.
    ///
    /// # Errors
    /// [`WireError`] unless `bytes` is exactly one canonical proof with no more symbols than recovery takes.
    pub fn from_bcs(config: EncodingConfig, target_axis: Axis, bytes: &[u8]) -> Result<Self, WireError> {
        /// Position, two lengths.
        const SYMBOL_MIN_BYTES: usize = 4;
        let mut reader = Reader::new(bytes);
        let target = SliverIndex(reader.u16()?);
        let found = reader.count(SYMBOL_MIN_BYTES)?;
        let max = LineCode::extending(target_axis, config).source;
        if found > max {
            return Err(WireError::TooManyItems { found, max });
        }
        let symbols = (0..found).map(|_| RecoverySymbol::read(target_axis, &mut reader));
        let symbols = symbols.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { target_axis, target, symbols })
    }

    /// Whether this convicts the writer: the symbols are proven, and what they make is not in the metadata.
    ///
    /// # Panics
    /// If `metadata` was verified for another `config`.
    pub fn holds(&self, config: EncodingConfig, metadata: &VerifiedMetadata) -> bool {
        let recovered =
            recover_sliver(config, metadata, self.target_axis, self.target, self.symbols.iter().cloned());
        matches!(recovered, Err(RecoverError::Inconsistent(_)))
    }
}

/// A sliver cannot be recovered from these symbols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// A symbol is not genuine: its source lied or its bytes were damaged.
    #[error("a symbol does not belong to the blob")]
    InvalidSymbol(#[from] SymbolError),
    /// A symbol of a sliver of the other axis.
    #[error("a symbol is for a sliver of the other axis")]
    WrongAxis,
    /// Too few symbols from distinct slivers.
    #[error("{received} of the {needed} symbols needed are there")]
    NotEnoughSymbols {
        /// Symbols from distinct slivers.
        received: usize,
        /// Symbols needed for this axis.
        needed: usize,
    },
    /// Proven symbols that make something else: the blob was encoded wrongly and no reader can trust it.
    #[error("the blob's encoding is inconsistent at sliver {}", .0.target.0)]
    Inconsistent(Box<InconsistencyProof>),
}

/// Recovers sliver `target` of an axis from symbols of slivers that cross it: `n_columns` for a primary, `n_rows`
/// for a secondary sliver. Each symbol's proof is checked, and the result against the metadata.
///
/// Symbols beyond those needed are not looked at; repetitions of a source sliver do not count.
///
/// # Errors
/// [`RecoverError`]; after [`RecoverError::InvalidSymbol`] a caller tries again without that symbol.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn recover_sliver(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    target_axis: Axis,
    target: SliverIndex,
    symbols: impl IntoIterator<Item = RecoverySymbol>,
) -> Result<Sliver, RecoverError> {
    let code = LineCode::extending(target_axis, config);
    let mut proven: Vec<RecoverySymbol> = Vec::with_capacity(code.source);
    for symbol in symbols {
        if proven.len() == code.source {
            break;
        }
        if symbol.target_axis != target_axis {
            return Err(RecoverError::WrongAxis);
        }
        symbol.verify(config, metadata, target)?;
        if proven.iter().all(|other| other.source != symbol.source) {
            proven.push(symbol);
        }
    }
    if proven.len() < code.source {
        return Err(RecoverError::NotEnoughSymbols { received: proven.len(), needed: code.source });
    }
    let sliver = Sliver {
        axis: target_axis,
        index: target,
        symbol_size: metadata.symbol_size_bytes(),
        data: join(code, usize::from(metadata.symbol_size_bytes()), &proven).into(),
    };
    match check_root(metadata, &sliver) {
        Ok(()) => Ok(sliver),
        Err(_) => Err(RecoverError::Inconsistent(Box::new(InconsistencyProof {
            target_axis,
            target,
            symbols: proven,
        }))),
    }
}

/// Decodes a line's source symbols.
fn join(code: LineCode, symbol_size: usize, symbols: &[RecoverySymbol]) -> Vec<u8> {
    let part = |symbol| -> LinePart<'_> {
        let RecoverySymbol { source, data, .. }: &RecoverySymbol = symbol;
        LinePart { position: usize::from(source.0), symbols: data }
    };
    source_line(code, symbol_size, &symbols.iter().map(part).collect::<Vec<_>>())
}
