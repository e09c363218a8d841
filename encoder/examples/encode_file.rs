//! Encodes a file into a spool, or computes its blob ID, within a given memory.
//!
//! `cargo run --release -p haulout-encoder --example encode_file -- FILE [--n-shards N] [--memory-mib M] [--threads T]
//! [--spool FOLDER | --metadata]`. To see how much memory it takes, run it under `/usr/bin/time -v`.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use haulout_encoder::{
    BlobSource as _, EncodingConfig, FileBlob, SliverSpool, compute_metadata_of, encode_to,
};

#[derive(Parser)]
struct Arguments {
    file: PathBuf,
    /// Shards to encode for
    #[arg(long, default_value_t = EncodingConfig::MAX_SHARDS)]
    n_shards: u16,
    /// Memory to encode in
    #[arg(long, default_value_t = 384)]
    memory_mib: u64,
    /// Threads; as many as there are processors if absent
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the spool, which is gone at the end; that of FILE if absent
    #[arg(long)]
    spool: Option<PathBuf>,
    /// Files that the spool is made of
    #[arg(long, default_value_t = 8)]
    files: usize,
    /// Compute the blob ID only
    #[arg(long, conflicts_with = "spool")]
    metadata: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let config = EncodingConfig::new(arguments.n_shards)?;
    let blob = FileBlob::new(File::open(&arguments.file)?)?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = arguments.threads {
        pool = pool.num_threads(threads);
    }
    let pool = pool.build()?;
    let memory_bytes = arguments.memory_mib << 20;
    let started = Instant::now();
    let metadata = if arguments.metadata {
        pool.install(|| compute_metadata_of(config, &blob, memory_bytes))?
    } else {
        let folder = arguments.spool.as_deref().or(arguments.file.parent()).unwrap_or(Path::new("."));
        let files = (0..arguments.files).map(|_| tempfile::tempfile_in(folder)).collect::<Result<_, _>>()?;
        let spool = SliverSpool::new(files, config, blob.blob_bytes())?;
        pool.install(|| encode_to(config, &blob, &spool, memory_bytes))?
    };
    let seconds = started.elapsed().as_secs_f64();
    let mib = blob.blob_bytes() as f64 / f64::from(1 << 20);
    println!("{}  {mib:.1} MiB in {seconds:.3} s, {:.0} MiB/s", metadata.blob_id(), mib / seconds);
    Ok(())
}
