//! The `haulout` command: what can be said to it, and how it answers.
//!
//! Exit codes: 0 done, 1 failed, 2 told something wrong (on the command line or in the settings).

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod blob_id;
mod config_check;
mod logging;
mod serve;

/// S3-compatible gateway for Walrus decentralised storage.
#[derive(Debug, Parser)]
#[command(name = "haulout", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until told to stop.
    Serve(serve::ServeArgs),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the Walrus blob IDs of files, without storing them.
    BlobId(blob_id::BlobIdArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings in effect, or what is wrong with them.
    Check(config_check::CheckArgs),
}

/// Something the user said that cannot be right.
const WRONG_INPUT: u8 = 2;

impl Cli {
    /// Does what was asked, on the calling thread, and says how the process should end.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(args) => serve::run(args),
            Command::Config(ConfigCommand::Check(args)) => config_check::run(&args),
            Command::BlobId(args) => blob_id::run(&args),
        }
    }
}

/// An error with everything that caused it, on one line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |&cause| cause.source());
        causes.into_iter().try_for_each(|cause| write!(formatter, ": {cause}"))
    }
}

/// Says on standard error what went wrong.
fn complain(error: &dyn Error) {
    eprintln!("haulout: {}", Chain(error));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn half_of_tls_is_refused() {
        assert!(Cli::try_parse_from(["haulout", "serve", "--tls-cert", "c.pem"]).is_err());
        assert!(
            Cli::try_parse_from(["haulout", "serve", "--tls-cert", "c.pem", "--tls-key", "k.pem"]).is_ok()
        );
    }
}
