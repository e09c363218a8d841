//! The node's work on its directory. All of it blocks.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use haulout_encoder::{Axis, BlobId, Sliver, SliverIndex, SliverPairIndex, VerifiedMetadata, verify_sliver};
use metrics::counter;
use tracing::{info, warn};

use super::super::blob_file::{BlobFile, BlobFileError, Slot};
use super::{BLOB_LOCKS, Inner};
use crate::confirmation::{Persistence, SignedConfirmation, confirmation_message};
use crate::node::{BlobStatus, NodeError, PairSliver, SourceSymbol};

impl Inner {
    /// Whether the directory is there. Once it is not, the node is down until its watcher has looked after it: what
    /// comes back may be empty.
    pub(super) fn is_there(&self) -> bool {
        let there = self.directory.is_there();
        if !there && self.up.swap(false, Ordering::AcqRel) {
            warn!(node_id = %self.node_id, path = %self.directory.path().display(), "node directory is gone");
        }
        there
    }

    pub(super) fn expect_up(&self) -> Result<(), NodeError> {
        if self.up.load(Ordering::Acquire) && self.is_there() { Ok(()) } else { Err(NodeError::Down) }
    }

    /// Something was not found: is it the whole directory?
    pub(super) fn unless_down<T>(&self, error: NodeError) -> Result<T, NodeError> {
        self.expect_up()?;
        Err(error)
    }

    pub(super) fn status(&self, blob_id: &BlobId) -> Result<BlobStatus, NodeError> {
        Ok(self.ledger.blob_status(blob_id)?)
    }

    fn storing(&self, blob_id: &BlobId) -> RwLockReadGuard<'_, ()> {
        self.blob_lock(blob_id).read().expect("nobody panics while holding it")
    }

    /// For who creates or removes a blob's file: nobody stores into it meanwhile.
    fn replacing(&self, blob_id: &BlobId) -> RwLockWriteGuard<'_, ()> {
        self.blob_lock(blob_id).write().expect("nobody panics while holding it")
    }

    fn blob_lock(&self, blob_id: &BlobId) -> &RwLock<()> {
        &self.blob_locks[usize::from(blob_id.0[31]) % BLOB_LOCKS]
    }

    /// The blob's file, if there is one.
    fn file(&self, blob_id: &BlobId) -> Result<Option<BlobFile>, NodeError> {
        if !self.up.load(Ordering::Acquire) {
            return Err(NodeError::Down);
        }
        let path = self.directory.blob_path(blob_id);
        Ok(BlobFile::open(&path, self.config, self.shards.len(), blob_id)?)
    }

    /// Where a pair's slivers are, if its shard is the node's.
    fn place(&self, blob_id: &BlobId, pair: SliverPairIndex) -> Result<usize, NodeError> {
        if pair.0 >= self.config.n_shards() {
            return Err(NodeError::IndexOutOfRange { index: pair.0 });
        }
        let shard = pair.to_shard(self.config.n_shards(), blob_id);
        self.places.get(&shard.0).copied().ok_or(NodeError::ShardNotAssigned)
    }

    /// The pair whose slivers are in a place.
    pub(super) fn pair(&self, blob_id: &BlobId, place: usize) -> SliverPairIndex {
        self.shards[place].to_pair(self.config.n_shards(), blob_id)
    }

    pub(super) fn store_metadata(&self, metadata: &VerifiedMetadata) -> Result<(), NodeError> {
        let blob_id = metadata.blob_id();
        let _replacing = self.replacing(blob_id);
        self.expect_up()?;
        if self.status(blob_id)? == BlobStatus::Nonexistent {
            return Err(NodeError::NotRegistered);
        }
        match self.file(blob_id).and_then(|file| Ok(file.map(|file| file.metadata()).transpose()?)) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(NodeError::Damaged) => {
                warn!(node_id = %self.node_id, %blob_id, "replacing a damaged blob file");
                // A primary and a secondary sliver of every shard went with the file.
                counter!(crate::metrics::DAMAGED_SLIVERS).increment(2 * self.shards.len() as u64);
            }
            Err(error) => return Err(error),
        }
        self.create_file(metadata)
    }

    fn create_file(&self, metadata: &VerifiedMetadata) -> Result<(), NodeError> {
        let blob_id = metadata.blob_id();
        let temporary = self.temporary_path(blob_id);
        let created =
            self.directory.create_blob_directory(blob_id).map_err(BlobFileError::from).and_then(|()| {
                BlobFile::create(&self.directory.blob_path(blob_id), &temporary, self.shards.len(), metadata)
            });
        created.or_else(|error| self.unless_down(error.into()))
    }

    fn temporary_path(&self, blob_id: &BlobId) -> PathBuf {
        self.directory.temporary_path(blob_id, self.run, self.temporaries.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn store_slivers(&self, blob_id: &BlobId, slivers: &[PairSliver]) -> Result<(), NodeError> {
        let _storing = self.storing(blob_id);
        self.expect_up()?;
        if self.status(blob_id)? == BlobStatus::Nonexistent {
            return Err(NodeError::NotRegistered);
        }
        let mut slots = Vec::with_capacity(slivers.len());
        for PairSliver { pair, sliver } in slivers {
            slots.push((Slot { pair: self.place(blob_id, *pair)?, axis: sliver.axis }, &sliver.data[..]));
        }
        let mut file = self.file(blob_id)?.ok_or(NodeError::MetadataNotFound)?;
        let misfit = slivers.iter().find(|sent| {
            let sliver = &sent.sliver;
            let expected = match sliver.axis {
                Axis::Primary => self.config.primary_sliver_bytes(file.symbol_size()),
                Axis::Secondary => self.config.secondary_sliver_bytes(file.symbol_size()),
            };
            sliver.data.len() != expected
                || sliver.index != sliver.axis.sliver_index(sent.pair, self.config.n_shards())
        });
        if let Some(sent) = misfit {
            return Err(NodeError::InvalidSliver { pair: sent.pair });
        }
        Ok(file.fill(slots.iter().copied(), self.run)?)
    }

    pub(super) fn metadata(&self, blob_id: &BlobId) -> Result<VerifiedMetadata, NodeError> {
        match self.file(blob_id)? {
            Some(file) => Ok(file.metadata()?),
            None => self.unless_down(NodeError::MetadataNotFound),
        }
    }

    pub(super) fn sliver(
        &self,
        blob_id: &BlobId,
        pair: SliverPairIndex,
        axis: Axis,
    ) -> Result<Sliver, NodeError> {
        let slot = Slot { pair: self.place(blob_id, pair)?, axis };
        let Some(file) = self.file(blob_id)? else { return self.unless_down(NodeError::SliverNotFound) };
        let data = file.sliver(slot)?.ok_or(NodeError::SliverNotFound)?;
        let index = axis.sliver_index(pair, self.config.n_shards());
        Ok(Sliver { axis, index, symbol_size: file.symbol_size(), data })
    }

    pub(super) fn source_symbols(
        &self,
        blob_id: &BlobId,
        axis: Axis,
        target: SliverIndex,
    ) -> Result<Vec<SourceSymbol>, NodeError> {
        let systematic = match axis {
            Axis::Primary => self.config.n_rows(),
            Axis::Secondary => self.config.n_columns(),
        };
        if target.0 >= systematic {
            return Err(NodeError::IndexOutOfRange { index: target.0 });
        }
        let Some(file) = self.file(blob_id)? else { return self.unless_down(NodeError::MetadataNotFound) };
        let source_axis = axis.orthogonal();
        let mut symbols = Vec::with_capacity(self.shards.len());
        for place in 0..self.shards.len() {
            if let Some(data) = file.symbol(Slot { pair: place, axis: source_axis }, target)? {
                let source = source_axis.sliver_index(self.pair(blob_id, place), self.config.n_shards());
                symbols.push(SourceSymbol { source, data });
            }
        }
        Ok(symbols)
    }

    pub(super) fn confirm(
        &self,
        blob_id: &BlobId,
        persistence: Persistence,
    ) -> Result<SignedConfirmation, NodeError> {
        {
            let _storing = self.storing(blob_id);
            self.expect_up()?;
            if !self.ledger.is_registered(blob_id, persistence)? {
                return Err(NodeError::NotRegistered);
            }
            let missing = self.missing_slots(blob_id)?.len();
            if missing > 0 {
                return Err(NodeError::MissingSlivers { missing });
            }
        }
        let message = confirmation_message(self.ledger.epoch(), blob_id, persistence);
        let signature = self.key.sign(&message);
        Ok(SignedConfirmation { message, signature })
    }

    /// Slots of an earlier run that never got to disk whole. Hashes slivers, which only happens after a crash.
    fn spoilt(&self, blob_id: &BlobId, file: &BlobFile) -> Result<Vec<Slot>, NodeError> {
        let mut doubtful = file.doubtful(self.run);
        if doubtful.is_empty() {
            return Ok(doubtful);
        }
        info!(node_id = %self.node_id, %blob_id, slivers = doubtful.len(), "checking slivers of an earlier run");
        let metadata = file.metadata()?;
        doubtful.retain(|slot| {
            let pair = self.pair(blob_id, slot.pair);
            let index = slot.axis.sliver_index(pair, self.config.n_shards());
            let symbol_size = file.symbol_size();
            let right = file.sliver(*slot).ok().flatten().is_some_and(|data| {
                let sliver = Sliver { axis: slot.axis, index, symbol_size, data };
                verify_sliver(self.config, &metadata, pair, &sliver).is_ok()
            });
            !right
        });
        Ok(doubtful)
    }

    pub(super) fn missing(&self, blob_id: &BlobId) -> Result<Vec<(SliverPairIndex, Axis)>, NodeError> {
        let _storing = self.storing(blob_id);
        self.expect_up()?;
        let slots = match self.missing_slots(blob_id) {
            Err(NodeError::Damaged | NodeError::MetadataNotFound) => {
                (0..self.shards.len()).flat_map(|pair| Axis::BOTH.map(|axis| Slot { pair, axis })).collect()
            }
            slots => slots?,
        };
        Ok(slots.into_iter().map(|slot| (self.pair(blob_id, slot.pair), slot.axis)).collect())
    }

    /// Slots that are empty or spoilt. If there are none, brings everything to disk.
    fn missing_slots(&self, blob_id: &BlobId) -> Result<Vec<Slot>, NodeError> {
        let Some(mut file) = self.file(blob_id)? else {
            return self.unless_down(NodeError::MetadataNotFound);
        };
        if file.is_sealed() {
            return Ok(Vec::new());
        }
        let mut slots = file.missing();
        slots.extend(self.spoilt(blob_id, &file)?);
        if slots.is_empty() {
            file.seal()?;
            self.directory.sync_blob_name(blob_id)?;
        }
        Ok(slots)
    }

    pub(super) fn remove_unless_live(&self, blob_id: &BlobId) -> Result<bool, NodeError> {
        // Storing waits meanwhile, so nothing is stored between the question and the removal.
        let _replacing = self.replacing(blob_id);
        if self.status(blob_id)? != BlobStatus::Nonexistent {
            return Ok(false);
        }
        match std::fs::remove_file(self.directory.blob_path(blob_id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
