//! The life of the process: make ready, open, serve, drain, close. The only place where all parts meet.
//!
//! The order matters. Both ports are taken first, so that a taken port is found out before anything is
//! touched. Then the admin listener answers, so that the rest of the start can be watched. S3 clients that
//! connect meanwhile wait in the kernel's queue instead of being refused. The drain goes the other way round:
//! no request is cut while what serves it closes.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use metrics_exporter_prometheus::BuildError;
use tracing::{error, info, warn};

mod file_limit;
mod gateway;
mod signals;

use gateway::Gateway;
pub use gateway::OpenGatewayError;
use signals::Signals;

use crate::addressing::VirtualHosts;
use crate::admission::AdmissionLayer;
use crate::auth::{AuthConfig, AuthLayer};
use crate::config::{Config, Domain, Environment, LimitSettings};
use crate::credentials::{
    Credentials, CredentialsError, CredentialsOrigin, first_start_notice, write_aws_config,
};
use crate::first_start::{DataDir, DataDirError, MasterKey, MasterKeyError, PrivateFileError};
use crate::http::admin::{self, Admin};
use crate::http::metrics_page::MetricsPage;
use crate::http::readiness::Readiness;
use crate::http::stack::stack;
use crate::http::{BindError, Server, Shutdown, TlsError, acceptor};
use crate::s3::{self, S3ServiceConfig};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// No key pair.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No master key, or the wrong one.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The AWS config file cannot be written.
    #[error(transparent)]
    AwsConfig(#[from] PrivateFileError),
    /// A port is taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else collects this process's metrics.
    #[error("cannot collect metrics")]
    Metrics(#[from] BuildError),
    /// SIGINT and SIGTERM cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The first start's key pair could not be shown.
    #[error("cannot write to standard output")]
    Notice(#[source] io::Error),
    /// Index, staging or network could not be opened.
    #[error(transparent)]
    Open(#[from] OpenGatewayError),
}

/// Serves until SIGINT or SIGTERM, and returns once everything is closed. A second signal closes nothing any
/// more: all that was acknowledged survives that as it survives a crash.
///
/// # Errors
/// [`ServeError`] if something is in the way of starting; nothing was acknowledged then.
pub async fn run(config: Config, environment: &Environment) -> Result<(), ServeError> {
    let shutdown = Shutdown::default();
    let signals = Signals::listen().map_err(ServeError::Signals)?;
    let signals = tokio::spawn(signals.obey(shutdown.clone()));
    file_limit::raise();
    let metrics = MetricsPage::install()?;
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let s3 = Server::bind(config.listen).await?;
    let admin = Server::bind(config.admin_listen).await?;
    let keys = Keys::prepare(&config, environment, &endpoint(s3.address(), tls.is_some()))?;

    let readiness = Readiness::new(shutdown.clone());
    let admin_shutdown = Shutdown::default();
    let admin_limits = admin::limits(&config.limits);
    let admin =
        tokio::spawn(serve_admin(admin, readiness.clone(), metrics, admin_limits, admin_shutdown.clone()));

    let outcome = serve_s3(&config, s3, tls, keys, &readiness, &shutdown).await;
    // Last, so that a watcher sees the whole drain. Nobody's visit is worth waiting for.
    admin_shutdown.abort();
    if let Err(error) = admin.await {
        error!(%error, "the admin listener failed");
    }
    signals.abort();
    outcome
}

/// The data directory with all keys in it: from here on this process owns it.
struct Keys {
    data_dir: DataDir,
    credentials: Credentials,
    master_key: MasterKey,
}

impl Keys {
    /// Reads the keys, or makes and shows them if this is the first start. `endpoint` is what clients are
    /// told to connect to.
    fn prepare(config: &Config, environment: &Environment, endpoint: &str) -> Result<Self, ServeError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let named_file = config.encryption.master_key_file.as_deref();
        let (master_key, _origin) = MasterKey::load_or_create(&data_dir, environment, named_file)?;
        write_aws_config(&data_dir, endpoint, &config.region)?;
        let (credentials, origin) = Credentials::load_or_create(&data_dir, environment)?;
        if let CredentialsOrigin::Created(_) = origin {
            let notice = first_start_notice(&credentials, data_dir.path(), endpoint);
            let mut out = io::stdout().lock();
            out.write_all(notice.as_bytes()).and_then(|()| out.flush()).map_err(ServeError::Notice)?;
        }
        Ok(Self { data_dir, credentials, master_key })
    }
}

async fn serve_s3(
    config: &Config,
    server: Server,
    tls: Option<tokio_rustls::TlsAcceptor>,
    keys: Keys,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    // The directory stays locked until everything in it is closed.
    let Keys { data_dir, credentials, master_key } = keys;
    let gateway = Gateway::open(config, &data_dir, master_key).await?;
    readiness.started(gateway.probe());
    info!(
        endpoint = endpoint(server.address(), tls.is_some()),
        data_dir = %data_dir.path().display(),
        access_key = credentials.access_key(),
        "serving"
    );
    let virtual_hosts = VirtualHosts::new(config.domains.iter().map(Domain::as_str));
    let auth = auth_config(config, virtual_hosts.clone());
    let s3 = S3ServiceConfig { region: config.region.to_string(), virtual_hosts: virtual_hosts.clone() };
    let service = stack(
        config.limits.max_in_flight_requests,
        AdmissionLayer::new(virtual_hosts),
        AuthLayer::new(Arc::new(credentials), auth, Arc::new(SystemTime::now)),
        s3::service(gateway.store(), s3),
    );
    server.serve(service, tls, &config.limits, shutdown.clone()).await;
    tokio::select! {
        () = gateway.close() => info!("stopped"),
        () = shutdown.aborted() => warn!("stopped without closing; the next start takes up what was left"),
    }
    Ok(())
}

fn auth_config(config: &Config, virtual_hosts: VirtualHosts) -> AuthConfig {
    AuthConfig {
        region: config.region.to_string(),
        strict_region: config.auth.strict_region,
        allow_sigv2_presigned: config.auth.allow_sigv2_presigned,
        body_idle_timeout: config.limits.body_idle_timeout,
        virtual_hosts,
    }
}

async fn serve_admin(
    server: Server,
    readiness: Readiness,
    metrics: MetricsPage,
    limits: LimitSettings,
    shutdown: Shutdown,
) {
    info!(address = %server.address(), "watching: /healthz, /readyz, /metrics");
    tokio::select! {
        () = server.serve(Admin::new(readiness, metrics.clone()), None, &limits, shutdown) => {}
        () = metrics.upkeep() => {}
    }
}

/// The URL by which clients on this machine reach `address`. Over TLS by name, as certificates are rarely for
/// addresses.
fn endpoint(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        // Listening everywhere includes here.
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let port = address.port();
    match (tls, ip.is_loopback()) {
        (false, _) => format!("http://{}", SocketAddr::new(ip, port)),
        (true, true) => format!("https://localhost:{port}"),
        (true, false) => format!("https://{}", SocketAddr::new(ip, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_can_be_connected_to_from_here() {
        for (address, tls, expected) in [
            ("127.0.0.1:9000", false, "http://127.0.0.1:9000"),
            ("0.0.0.0:9000", false, "http://127.0.0.1:9000"),
            ("[::]:9000", false, "http://[::1]:9000"),
            ("192.0.2.7:80", false, "http://192.0.2.7:80"),
            ("0.0.0.0:9443", true, "https://localhost:9443"),
            ("192.0.2.7:443", true, "https://192.0.2.7:443"),
        ] {
            assert_eq!(endpoint(address.parse().unwrap(), tls), expected);
        }
    }
}
