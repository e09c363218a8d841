//! `haulout serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{WRONG_INPUT, complain, logging};
use crate::config::{self, Config, Environment, Overrides, TlsSettings};

/// After everything was closed in order, threads have nothing left to do; after an abort they may.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Flags win over `HAULOUT_*` variables, and those over the config file.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where index, staging, keys and the embedded network live [default: haulout-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where S3 clients connect [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Where /healthz, /readyz and /metrics answer [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<SocketAddr>,
    /// PEM file with the certificate for HTTPS, intermediate certificates after it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Config file [default: $HAULOUT_CONFIG, else haulout.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Serves until told to stop.
pub(super) fn run(args: ServeArgs) -> ExitCode {
    let (config, environment) = match settings(args) {
        Ok(settings) => settings,
        Err(error) => {
            complain(error.as_ref());
            return ExitCode::from(WRONG_INPUT);
        }
    };
    logging::start(&config.log);
    match serve(config, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

type AnyError = Box<dyn std::error::Error>;

fn settings(args: ServeArgs) -> Result<(Config, Environment), AnyError> {
    let environment = Environment::of_process()?;
    let tls = args.tls_cert.zip(args.tls_key).map(|(cert, key)| TlsSettings { cert, key });
    let overrides =
        Overrides { data_dir: args.data_dir, listen: args.listen, admin_listen: args.admin_listen, tls };
    let config = config::load(args.config.as_deref(), &environment, &overrides)?;
    Ok((config, environment))
}

fn serve(config: Config, environment: &Environment) -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(crate::serve::run(config, environment));
    // Told to stop at once, what still blocks a thread is not waited for.
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(outcome?)
}
