//! `haulout config check`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{WRONG_INPUT, complain};
use crate::config::{Config, Environment, Overrides, load};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Config file [default: $HAULOUT_CONFIG, else haulout.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the settings that `haulout serve` would use from here, as a config file; it holds no secrets.
pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(error) => return wrong(&error),
    };
    let config = match load(args.config.as_deref(), &environment, &Overrides::default()) {
        Ok(config) => config,
        Err(error) => return wrong(&error),
    };
    match print(&config, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn wrong(error: &dyn std::error::Error) -> ExitCode {
    complain(error);
    ExitCode::from(WRONG_INPUT)
}

fn print(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let text = toml::to_string(config).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_printed_as_a_config_file() {
        let mut out = Vec::new();
        print(&Config::default(), &mut out).unwrap();
        let read: Config = toml::from_str(std::str::from_utf8(&out).unwrap()).unwrap();
        assert_eq!(read, Config::default());
    }
}
