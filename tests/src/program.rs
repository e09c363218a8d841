//! Running other people's programs, with a deadline and with their output at hand when they fail.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No client step of the tests takes longer than this, full data set included.
const DEADLINE: Duration = Duration::from_mins(20);
/// How often a running program is looked at. Short, since most steps take well under a second.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What a program printed.
pub struct Output {
    /// Standard output, as raw bytes: ranged reads print object bytes.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the program prints UTF-8")
    }

    /// How many lines of both outputs start with `prefix`, spaces aside.
    #[must_use]
    pub fn lines_starting(&self, prefix: &str) -> usize {
        self.lines().filter(|line| line.trim_start().starts_with(prefix)).count()
    }

    /// How many lines of both outputs contain `needle`.
    #[must_use]
    pub fn lines_containing(&self, needle: &str) -> usize {
        self.lines().filter(|line| line.contains(needle)).count()
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        // Progress meters overwrite their line with carriage returns.
        std::str::from_utf8(&self.stdout)
            .unwrap_or("")
            .split(['\n', '\r'])
            .chain(self.stderr.split(['\n', '\r']))
    }
}

/// Runs `command` to its end.
///
/// # Panics
/// With everything it printed if it fails or takes longer than the deadline of 20 minutes.
pub fn run(command: &mut Command) -> Output {
    let (status, output) = run_to_end(command);
    assert!(
        status.success(),
        "{command:?} ended with {status}\n--- stdout\n{}\n--- stderr\n{}",
        String::from_utf8_lossy(&output.stdout),
        output.stderr
    );
    output
}

/// Runs `command` to its end, whatever its exit status.
///
/// # Panics
/// If it cannot be started or takes longer than the deadline.
pub fn run_to_end(command: &mut Command) -> (ExitStatus, Output) {
    // Files rather than pipes: nobody has to drain them while the deadline is watched.
    let (mut stdout, mut stderr) = (scratch_file(), scratch_file());
    command.stdin(Stdio::null());
    command.stdout(stdout.try_clone().expect("the file handle is cloned"));
    command.stderr(stderr.try_clone().expect("the file handle is cloned"));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let Some(status) = wait(&mut child, DEADLINE) else {
        child.kill().expect("the program is ours to end");
        child.wait().expect("the program is ours to wait for");
        panic!(
            "{command:?} did not end within {DEADLINE:?}: {}",
            String::from_utf8_lossy(&read_back(&mut stderr))
        );
    };
    let stderr = String::from_utf8_lossy(&read_back(&mut stderr)).into_owned();
    (status, Output { stdout: read_back(&mut stdout), stderr })
}

/// Waits until `child` ends; `None` when the time is over and it still runs.
///
/// # Panics
/// If the operating system cannot tell.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    poll(limit, POLL_INTERVAL, || child.try_wait().expect("the child is ours to wait for"))
}

/// Calls `probe` every `interval` until it gives a value or `limit` is over.
pub fn poll<T>(limit: Duration, interval: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(interval);
    }
}

/// The last `lines` lines of a text file, for messages.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn scratch_file() -> File {
    tempfile::tempfile().expect("a scratch file is created")
}

fn read_back(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a file can be rewound");
    std::io::Read::read_to_end(file, &mut bytes).expect("a scratch file is read");
    bytes
}
