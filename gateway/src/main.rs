//! The `haulout` command. Everything it does is in the library, where tests can reach it.

use std::process::ExitCode;

use clap::Parser as _;
use haulout::allocator;
use haulout::cli::Cli;

fn main() -> ExitCode {
    allocator::return_large_buffers();
    Cli::parse().run()
}
