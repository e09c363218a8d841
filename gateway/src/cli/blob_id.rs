//! `haulout blob-id`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haulout_encoder::{
    BlobTooLarge, EncodeError, EncodingConfig, FileBlob, InvalidShardCount, StreamError, VerifiedMetadata,
    compute_metadata, compute_metadata_of,
};
use serde::Serialize;

use super::{WRONG_INPUT, complain};

/// Shards of the Walrus main network, so that the IDs are those it uses.
const WALRUS_SHARDS: u16 = EncodingConfig::MAX_SHARDS;

/// Memory for the ID of a file of any size. Enough to read files of some 400 MiB only twice; larger ones are read once
/// more for about as much again.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct BlobIdArgs {
    /// Shards of the network the blob is meant for, 4 to 1000: the ID depends on them
    #[arg(long, value_name = "N", default_value_t = WALRUS_SHARDS)]
    n_shards: u16,
    /// Print one JSON object a line, with root hash and sizes
    #[arg(long)]
    json: bool,
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Why a file has no blob ID.
#[derive(Debug, thiserror::Error)]
enum BlobIdError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is no blob", path.display())]
    TooLarge {
        path: PathBuf,
        #[source]
        source: BlobTooLarge,
    },
    #[error("{} was written to meanwhile, try again", path.display())]
    Changed { path: PathBuf },
    #[error("cannot write the answer")]
    Write(#[source] io::Error),
}

/// What `--json` tells of a file. Lengths in bytes.
#[derive(Serialize)]
struct Description<'a> {
    file: Cow<'a, str>,
    blob_id: String,
    root_hash: String,
    symbol_size: u16,
    encoded_length: u64,
    unencoded_length: u64,
    n_shards: u16,
}

/// Prints a line for each file, in order. A file that fails does not keep the others from being printed.
pub(super) fn run(args: &BlobIdArgs) -> ExitCode {
    let config = match EncodingConfig::new(args.n_shards) {
        Ok(config) => config,
        Err(InvalidShardCount { .. }) => {
            eprintln!(
                "haulout: --n-shards {} is out of range; choose {} to {}",
                args.n_shards,
                EncodingConfig::MIN_SHARDS,
                EncodingConfig::MAX_SHARDS
            );
            return ExitCode::from(WRONG_INPUT);
        }
    };
    let mut all_well = true;
    for file in &args.files {
        if let Err(error) = print(config, file, args.json, &mut io::stdin(), &mut io::stdout()) {
            complain(&error);
            all_well = false;
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(
    config: EncodingConfig,
    file: &Path,
    json: bool,
    stdin: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), BlobIdError> {
    let metadata =
        if file == Path::new("-") { of_stream(config, file, stdin)? } else { of_file(config, file)? };
    let line = if json { describe(config, file, &metadata)? } else { plain(file, &metadata) };
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(BlobIdError::Write)
}

/// Reads a file in pieces, as often as it takes.
fn of_file(config: EncodingConfig, path: &Path) -> Result<VerifiedMetadata, BlobIdError> {
    let unreadable = |source| BlobIdError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if !before.is_file() || before.len() == 0 {
        // What has no length, such as a pipe or a file of `/proc`, is read once.
        return of_stream(config, path, &mut &file);
    }
    let blob = FileBlob::new(file.try_clone().map_err(unreadable)?).map_err(unreadable)?;
    let metadata = compute_metadata_of(config, &blob, MEMORY_BYTES).map_err(|error| match error {
        StreamError::Encode(error) => not_encoded(path, error),
        StreamError::Io(source) => unreadable(source),
    })?;
    let after = file.metadata().map_err(unreadable)?;
    let same_time = before.modified().map_err(unreadable)? == after.modified().map_err(unreadable)?;
    if same_time && before.len() == after.len() {
        Ok(metadata)
    } else {
        Err(BlobIdError::Changed { path: path.to_owned() })
    }
}

/// Reads all of `source` into memory, unless it is longer than any blob: then no more of it is held than the largest
/// blob has.
fn of_stream(
    config: EncodingConfig,
    path: &Path,
    source: &mut impl Read,
) -> Result<VerifiedMetadata, BlobIdError> {
    let mut blob = Vec::new();
    let one_too_many = config.max_blob_bytes() + 1;
    source
        .take(one_too_many)
        .read_to_end(&mut blob)
        .map_err(|source| BlobIdError::Read { path: path.to_owned(), source })?;
    compute_metadata(config, &blob).map_err(|error| not_encoded(path, error))
}

fn not_encoded(path: &Path, EncodeError::BlobTooLarge(source): EncodeError) -> BlobIdError {
    BlobIdError::TooLarge { path: path.to_owned(), source }
}

fn plain(file: &Path, metadata: &VerifiedMetadata) -> String {
    format!("{}  {}", metadata.blob_id(), file.display())
}

fn describe(config: EncodingConfig, file: &Path, metadata: &VerifiedMetadata) -> Result<String, BlobIdError> {
    let encoded_length = config
        .encoded_length(metadata.unencoded_length())
        .map_err(|source| BlobIdError::TooLarge { path: file.to_owned(), source })?;
    let description = Description {
        file: file.to_string_lossy(),
        blob_id: metadata.blob_id().to_string(),
        root_hash: hex::encode(metadata.root_hash().0),
        symbol_size: metadata.symbol_size_bytes(),
        encoded_length,
        unencoded_length: metadata.unencoded_length(),
        n_shards: config.n_shards(),
    };
    serde_json::to_string(&description).map_err(|error| BlobIdError::Write(error.into()))
}

#[cfg(test)]
mod tests;
