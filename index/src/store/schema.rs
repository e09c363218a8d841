//! The schema version: which tables there are and how their keys are laid out.
//!
//! Stamped when the index is made. A newer one is refused before anything is opened for writing. Rows carry
//! format versions of their own, so this changes only with tables and keys; an older schema is then taken
//! forward here, one version at a time, before [`stamp`] writes the new one.

use std::path::Path;

use rocksdb::{DB, Options, WriteOptions};

use super::{Family, Store};
use crate::OpenError;

const SCHEMA_VERSION: u32 = 1;
const VERSION_KEY: &[u8] = b"schema_version";
/// RocksDB makes this file last when it makes a database.
const DATABASE_MARK: &str = "CURRENT";

/// Refuses an index that this build does not understand, without changing a byte of it.
pub(super) fn check_before_open(directory: &Path) -> Result<(), OpenError> {
    if !directory.join(DATABASE_MARK).exists() {
        return Ok(());
    }
    let mut options = Options::default();
    let meta = Family::Meta.name();
    if !DB::list_cf(&options, directory)?.iter().any(|family| family == meta) {
        return Ok(()); // Its making was interrupted.
    }
    // Read-only, because a newer index may have families that only a newer build can open for writing. And
    // with logs tracked: RocksDB 11.8 would try to end their tracking, which crashes it when it may not write.
    options.set_track_and_verify_wals_in_manifest(true);
    let reader = DB::open_cf_for_read_only(&options, directory, [meta], false)?;
    let handle = reader.cf_handle(meta).expect("opened on the line above");
    let stamp = reader.get_cf(handle, VERSION_KEY)?;
    match stamp.map(|bytes| parse(&bytes)).transpose()? {
        None | Some(SCHEMA_VERSION) => Ok(()),
        Some(found) if found > SCHEMA_VERSION => {
            Err(OpenError::NewerSchema { found, supported: SCHEMA_VERSION })
        }
        Some(_never_released) => Err(OpenError::UnreadableSchema),
    }
}

/// Marks an index that was just made as one of this schema.
pub(super) fn stamp(store: &Store) -> Result<(), OpenError> {
    let meta = store.handle(Family::Meta);
    if store.db.get_cf(meta, VERSION_KEY)?.is_none() {
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        store.db.put_cf_opt(meta, VERSION_KEY, SCHEMA_VERSION.to_be_bytes(), &durable)?;
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<u32, OpenError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| OpenError::UnreadableSchema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IndexConfig;

    fn restamp(directory: &Path, version: &[u8]) {
        let store = Store::open(directory, &IndexConfig::default()).unwrap();
        store.db.put_cf(store.handle(Family::Meta), VERSION_KEY, version).unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        restamp(directory.path(), &7u32.to_be_bytes());
        let refused = Store::open(directory.path(), &IndexConfig::default()).err().unwrap();
        assert!(matches!(refused, OpenError::NewerSchema { found: 7, supported: 1 }), "{refused:?}");
    }

    #[test]
    fn a_newer_schema_is_refused_by_its_version_even_if_it_has_unknown_families() {
        let directory = tempfile::tempdir().unwrap();
        {
            let mut store = Store::open(directory.path(), &IndexConfig::default()).unwrap();
            store.db.create_cf("journal", &Options::default()).unwrap();
            store.db.put_cf(store.handle(Family::Meta), VERSION_KEY, 2u32.to_be_bytes()).unwrap();
        }
        let refused = Store::open(directory.path(), &IndexConfig::default()).err().unwrap();
        assert!(matches!(refused, OpenError::NewerSchema { found: 2, supported: 1 }), "{refused:?}");
    }

    #[test]
    fn a_stamp_that_is_no_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        restamp(directory.path(), b"one");
        let refused = Store::open(directory.path(), &IndexConfig::default()).err().unwrap();
        assert!(matches!(refused, OpenError::UnreadableSchema), "{refused:?}");
    }

    #[test]
    fn an_index_whose_making_was_cut_short_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        drop(DB::open(&options, directory.path()).unwrap());
        let store = Store::open(directory.path(), &IndexConfig::default()).unwrap();
        let stamp = store.db.get_cf(store.handle(Family::Meta), VERSION_KEY).unwrap();
        assert_eq!(stamp.as_deref(), Some(&SCHEMA_VERSION.to_be_bytes()[..]));
    }
}
