//! A gateway process: started on free ports with a fresh data directory, ended with its test.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::environment;
use crate::program;
use crate::s3::Client;
use crate::signature::Credentials;
use crate::tls::TestAuthority;
use crate::wire::{Connection, Endpoint, Request};

/// The access key of every gateway under test.
pub const ACCESS_KEY_ID: &str = "HOTESTACCESSKEY00001";
/// Its secret; has a slash and a plus, which clients must keep as they are.
pub const SECRET_ACCESS_KEY: &str = "test/secret+key/0123456789abcdefghijklmn";
/// The region every client is told.
pub const REGION: &str = "us-east-1";

/// Start-up includes crash recovery; a cold machine also loads the binary from disk.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// More than the server's own drain timeout of 30 s.
const STOPS_WITHIN: Duration = Duration::from_secs(45);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Somebody may take a port between our look and the server's bind.
const START_ATTEMPTS: usize = 3;
/// Variables for the tests, which the server would take for settings it does not know.
const OWN_VARIABLES: [&str; 6] = [
    "HAULOUT_BIN",
    "HAULOUT_TEST_ENV",
    "HAULOUT_TEST_FULL",
    "HAULOUT_CRASH_ROUNDS",
    "HAULOUT_SEED",
    "HAULOUT_KEEP_FAILED",
];
/// How much of the server's log a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

/// Plain http or https.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// No TLS: SDKs sign payloads and send checksums in headers.
    Http,
    /// TLS with a throw-away CA: SDKs send checksums in trailers.
    Https,
}

/// A running (or, after [`Gateway::kill_9`], a dead) gateway and its directory.
pub struct Gateway {
    process: Option<Child>,
    directory: TempDir,
    settings: Vec<(String, String)>,
    authority: Option<TestAuthority>,
    listen: SocketAddr,
    admin_listen: SocketAddr,
}

impl Gateway {
    /// Starts a gateway with its defaults.
    ///
    /// # Panics
    /// If it is not ready within a minute; its log is shown.
    #[must_use]
    pub fn start(scheme: Scheme) -> Self {
        Self::start_with(scheme, &[])
    }

    /// Starts a gateway with `settings`, given as `("staging.max_bytes", "33554432")`.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_with(scheme: Scheme, settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::with_prefix("haulout-test-").expect("a temporary directory is made");
        let authority = (scheme == Scheme::Https).then(|| TestAuthority::create(directory.path()));
        let environment_name =
            |path: &str| format!("HAULOUT_{}", path.to_ascii_uppercase().replace('.', "__"));
        let mut gateway = Self {
            process: None,
            settings: settings
                .iter()
                .map(|(path, value)| (environment_name(path), (*value).to_owned()))
                .collect(),
            authority,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            admin_listen: (Ipv4Addr::LOCALHOST, 0).into(),
            directory,
        };
        for _ in 1..START_ATTEMPTS {
            gateway.choose_ports();
            if gateway.try_launch().is_ok() {
                return gateway;
            }
        }
        gateway.choose_ports();
        gateway.launch();
        gateway
    }

    /// One gateway for all tests of this process that run at the same time and need no other.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    pub fn shared(scheme: Scheme) -> Arc<Self> {
        static SHARED: OnceLock<Mutex<HashMap<Scheme, Weak<Gateway>>>> = OnceLock::new();
        // Weak, since a static is never dropped and would leave the process running.
        let shared = SHARED.get_or_init(Mutex::default);
        // A test that failed to start one poisons nothing: the map is still right.
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gateway) = shared.get(&scheme).and_then(Weak::upgrade) {
            return gateway;
        }
        let gateway = Arc::new(Self::start(scheme));
        shared.insert(scheme, Arc::downgrade(&gateway));
        gateway
    }

    /// Where S3 is spoken.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { address: self.listen, tls: self.authority.as_ref().map(TestAuthority::client_config) }
    }

    /// The S3 base address for clients, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        self.endpoint().url()
    }

    /// A PEM file with the CA to trust, over https.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.authority.as_ref().map(|authority| authority.ca_file.as_path())
    }

    /// The key pair the gateway knows.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        }
    }

    /// A signing client of the tests' own.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.endpoint(), self.credentials())
    }

    /// The process ID while it runs.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the gateway runs").id()
    }

    /// The directories of the ten storage nodes.
    #[must_use]
    pub fn node_directories(&self) -> Vec<PathBuf> {
        (0..10).map(|node| self.data_directory().join(format!("nodes/node-{node:02}"))).collect()
    }

    /// The sum of a metric over all its labels; 0 if nothing counted it yet.
    ///
    /// # Panics
    /// If the admin port does not answer in Prometheus's text form.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.admin_get("/metrics").expect("the admin port answers").text();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .map(|(_, value)| value.parse::<f64>().expect("a metric's value is a number"))
            // The sum of nothing is -0.
            .fold(0.0, |sum, value| sum + value)
    }

    /// Waits until a metric is at least `value`.
    ///
    /// # Panics
    /// If it is not within `limit`.
    pub fn wait_metric(&self, name: &str, value: f64, limit: Duration) {
        let reached = program::poll(limit, POLL_INTERVAL, || (self.metric(name) >= value).then_some(()));
        assert!(reached.is_some(), "{name} is {} after {limit:?}, not {value}", self.metric(name));
    }

    /// Ends the process at once, as a power cut of the process alone: nothing is flushed, no one is told.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill_9(&mut self) {
        let mut process = self.process.take().expect("the gateway runs");
        process.kill().expect("the gateway is ours to kill");
        process.wait().expect("the gateway is ours to wait for");
    }

    /// Asks the process to drain and stop.
    ///
    /// # Panics
    /// If it does not within 45 seconds.
    pub fn stop(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("the gateway runs");
        terminate(process);
        let status = program::wait(process, STOPS_WITHIN);
        let status = status.unwrap_or_else(|| panic!("the gateway did not stop within {STOPS_WITHIN:?}"));
        self.process = None;
        status
    }

    /// Starts the process again, on the same ports and directory, after [`Gateway::stop`] or [`Gateway::kill_9`].
    ///
    /// # Panics
    /// If it is not ready within a minute.
    pub fn launch(&mut self) {
        if let Err(status) = self.try_launch() {
            panic!("the gateway is not ready ({status:?}); its log ends:\n{}", self.log_tail());
        }
    }

    /// Starts the process and kills it `after` that time, ready or not.
    ///
    /// # Panics
    /// If it gives up by itself meanwhile.
    pub fn launch_and_kill(&mut self, after: Duration) {
        assert!(self.process.is_none(), "the gateway already runs");
        let mut process = self.command().spawn().expect("the gateway's binary is started");
        let ended = program::wait(&mut process, after);
        assert!(ended.is_none(), "the gateway gave up ({ended:?}); its log ends:\n{}", self.log_tail());
        self.process = Some(process);
        self.kill_9();
    }

    fn choose_ports(&mut self) {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port is found");
        // Both at once, or the second could be the first again.
        let (listener, admin_listener) = (free(), free());
        self.listen = listener.local_addr().expect("a bound socket has an address");
        self.admin_listen = admin_listener.local_addr().expect("a bound socket has an address");
    }

    /// The error is the exit status of a server that gave up, `None` of one that never got ready.
    fn try_launch(&mut self) -> Result<(), Option<ExitStatus>> {
        assert!(self.process.is_none(), "the gateway already runs");
        let mut process = self.command().spawn().expect("the gateway's binary is started");
        let outcome = program::poll(READY_WITHIN, POLL_INTERVAL, || {
            if let Some(status) = process.try_wait().expect("the gateway is ours to wait for") {
                return Some(Err(Some(status)));
            }
            self.admin_get("/readyz").is_ok_and(|response| response.status == 200).then_some(Ok(()))
        });
        if let Some(Err(status)) = outcome {
            return Err(status);
        }
        self.process = Some(process);
        outcome.unwrap_or_else(|| {
            self.kill_9();
            Err(None)
        })
    }

    fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log is opened");
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data_directory())
            .args(["--listen", &self.listen.to_string(), "--admin-listen", &self.admin_listen.to_string()])
            .env("HAULOUT_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("HAULOUT_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the file handle is cloned"))
            .stderr(log);
        for name in OWN_VARIABLES {
            command.env_remove(name);
        }
        if let Some(authority) = &self.authority {
            command
                .arg("--tls-cert")
                .arg(&authority.certificate_file)
                .arg("--tls-key")
                .arg(&authority.key_file);
        }
        command
    }

    fn admin_get(&self, path: &str) -> std::io::Result<crate::wire::Response> {
        let endpoint = Endpoint { address: self.admin_listen, tls: None };
        Connection::open(&endpoint)?.send(&Request::new("GET", path).header("host", endpoint.authority()))
    }

    /// The gateway's data directory.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("haulout.log")
    }

    fn log_tail(&self) -> String {
        program::tail(&self.log_file(), LOG_LINES_SHOWN)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ends:\n{}", self.log_tail());
            if std::env::var_os("HAULOUT_KEEP_FAILED").is_some() {
                self.directory.disable_cleanup(true);
                eprintln!("--- its directory is kept: {}", self.directory.path().display());
            }
        }
        let Some(mut process) = self.process.take() else { return };
        if process.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        terminate(&process);
        if program::wait(&mut process, STOPS_WITHIN).is_none() {
            // A destructor must not panic; a server that hangs at its end is `stop`'s to find.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn terminate(process: &Child) {
    let process_id = Pid::from_child(process);
    kill_process(process_id, Signal::TERM).expect("the gateway is ours to signal");
}

/// The server binary: `HAULOUT_BIN`, or what `cargo build` makes beside the running test.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("HAULOUT_BIN").map_or_else(build, PathBuf::from)).clone()
}

/// Cargo builds no other package's binary for a test, so the harness asks it to, once per test process; when
/// everything is built that takes under a second.
fn build() -> PathBuf {
    let executable = std::env::current_exe().expect("the test knows its own path");
    // Tests run from <target>/<profile>/deps, binaries from <target>/<profile>.
    let profile_folder = executable.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    let profile_folder = profile_folder.expect("the test runs from a target folder of Cargo's");
    let target_folder = profile_folder.parent().expect("a profile folder stands in a target folder");
    // Cargo tells its tests which Cargo it is; a test that is run by hand finds the user's.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // That package alone, as `make run` builds it: with the tests' dependencies selected too, Cargo would merge
    // their features into the server's, and we would test a binary that nobody runs.
    command.args(["build", "--release", "--package", "haulout", "--target-dir"]).arg(target_folder);
    program::run(command.current_dir(environment::source_folder()));
    let binary = target_folder.join("release/haulout");
    assert!(fs::exists(&binary).is_ok_and(|exists| exists), "{} was not built", binary.display());
    binary
}
