//! What every command-line tool must get right, in one sequence.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use haulout_tests::dataset::{Dataset, file_digest};
use haulout_tests::gateway::Gateway;
use haulout_tests::program::{self, Output};
use haulout_tests::s3::{bucket_request, object_request};
use haulout_tests::signature::Signer;
use tempfile::TempDir;

const BUCKET: &str = "round-trip";
const BIG_KEY: &str = "big.bin";
const TREE_PREFIX: &str = "tree/";
/// Crosses a part boundary of every tool (8, 15, 16 and 50 MiB parts all start before its end).
const RANGE: Range<usize> = 8_388_600..52_428_900;
const PRESIGNED_SECONDS: u64 = 600;

/// A tool as its user knows it. Counts are the tool's own account, read from its output.
pub(crate) trait Tool {
    fn make_bucket(&self, bucket: &str);
    /// Makes `bucket`/`prefix` like `folder`; returns how many files moved.
    fn sync_up(&self, folder: &Path, bucket: &str, prefix: &str) -> usize;
    fn sync_down(&self, bucket: &str, prefix: &str, folder: &Path);
    /// Uploads one large file, in parts.
    fn upload(&self, file: &Path, bucket: &str, key: &str);
    fn download(&self, bucket: &str, key: &str, file: &Path);
    /// How many objects the bucket has.
    fn count(&self, bucket: &str) -> usize;
    /// Bytes of an object, by a tool that can read a range.
    fn read_range(&self, _bucket: &str, _key: &str, _range: Range<usize>) -> Option<Vec<u8>> {
        None
    }
    /// A URL that reads the object.
    fn presign_get(&self, bucket: &str, key: &str) -> String;
    fn delete_all(&self, bucket: &str);
    fn remove_bucket(&self, bucket: &str);
}

/// Takes `tool` from an empty gateway through every step and back to an empty gateway.
pub(crate) fn round_trip(gateway: &Gateway, tool: &dyn Tool) {
    let dataset = Dataset::shared();
    let scratch = TempDir::new().expect("a temporary directory is made");
    tool.make_bucket(BUCKET);
    upload(gateway, tool, &dataset);
    assert_eq!(tool.sync_up(&dataset.tree(), BUCKET, TREE_PREFIX), 0, "a second sync moves nothing");

    let (tree_copy, big_copy) = (scratch.path().join("tree"), scratch.path().join("big.bin"));
    fs::create_dir(&tree_copy).expect("the copy's folder is made");
    tool.sync_down(BUCKET, TREE_PREFIX, &tree_copy);
    dataset.assert_same_tree(&tree_copy);
    tool.download(BUCKET, BIG_KEY, &big_copy);
    dataset.assert_same_big_file(&big_copy);

    if let Some(bytes) = tool.read_range(BUCKET, BIG_KEY, RANGE) {
        assert!(bytes == read_part(&dataset.big_file(), RANGE), "the range {RANGE:?} differs");
    }
    presigned(gateway, tool, &dataset, scratch.path());

    tool.delete_all(BUCKET);
    assert_eq!(gateway.client().list(BUCKET), []);
    tool.remove_bucket(BUCKET);
    gateway.client().expect(404, bucket_request("HEAD", BUCKET));
}

fn upload(gateway: &Gateway, tool: &dyn Tool, dataset: &Dataset) {
    assert_eq!(tool.sync_up(&dataset.tree(), BUCKET, TREE_PREFIX), dataset.n_files());
    tool.upload(&dataset.big_file(), BUCKET, BIG_KEY);
    assert_eq!(tool.count(BUCKET), dataset.n_files() + 1);

    // The tool's own listing cannot show a key that it mangles both ways; ours can.
    let listed = gateway.client().list(BUCKET);
    let expected: Vec<String> = dataset.keys().iter().map(|key| format!("{TREE_PREFIX}{key}")).collect();
    assert_eq!(listed[0].key, BIG_KEY);
    assert!(
        listed[0].etag.contains('-'),
        "the large file went up in parts, so its ETag counts them: {:?}",
        listed[0]
    );
    assert_eq!(
        listed[1..].iter().map(|entry| &entry.key).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

/// URLs that anyone may follow: the tool's own for GET, ours for PUT, both by curl.
fn presigned(gateway: &Gateway, tool: &dyn Tool, dataset: &Dataset, scratch: &Path) {
    let fetched = scratch.join("presigned");
    curl(gateway).arg("--output").arg(&fetched).run(&tool.presign_get(BUCKET, BIG_KEY));
    dataset.assert_same_big_file(&fetched);

    let source = dataset.tree().join(Dataset::LARGEST_IN_TREE);
    let mut put = object_request("PUT", BUCKET, "presigned put +1.bin");
    Signer::now(gateway.credentials()).presign(&mut put, &gateway.endpoint().authority(), PRESIGNED_SECONDS);
    curl(gateway).arg("--upload-file").arg(&source).run(&format!("{}{}", gateway.url(), put.target()));
    let copied = scratch.join("presigned-copy");
    tool.download(BUCKET, "presigned put +1.bin", &copied);
    assert_eq!(file_digest(&copied), file_digest(&source));
}

/// curl, told to trust the gateway and to fail on an error status.
pub(crate) struct Curl(Command);

pub(crate) fn curl(gateway: &Gateway) -> Curl {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body", "--globoff"]);
    if let Some(ca_file) = gateway.ca_file() {
        command.arg("--cacert").arg(ca_file);
    }
    Curl(command)
}

impl Curl {
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn run(mut self, url: &str) -> Output {
        program::run(self.0.arg(url))
    }
}

/// A command that sees none of the user's own configuration.
pub(crate) fn isolated(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").current_dir(home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// [`isolated`] with the variables that AWS's SDKs read.
pub(crate) fn aws_environment(
    program: impl AsRef<std::ffi::OsStr>,
    home: &Path,
    gateway: &Gateway,
) -> Command {
    let credentials = gateway.credentials();
    let mut command = isolated(program, home);
    command
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
        .env("AWS_REGION", haulout_tests::gateway::REGION)
        .env("AWS_DEFAULT_REGION", haulout_tests::gateway::REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(ca_file) = gateway.ca_file() {
        command
            .env("AWS_CA_BUNDLE", ca_file)
            .env("SSL_CERT_FILE", ca_file)
            .env("NODE_EXTRA_CA_CERTS", ca_file);
    }
    command
}

pub(crate) fn read_part(path: &Path, range: Range<usize>) -> Vec<u8> {
    let mut file = File::open(path).expect("the file is opened");
    let start = u64::try_from(range.start).expect("a usize fits in 64 bits");
    file.seek(SeekFrom::Start(start)).expect("the file can be positioned");
    let mut bytes = vec![0; range.len()];
    file.read_exact(&mut bytes).expect("the file reaches that far");
    bytes
}
