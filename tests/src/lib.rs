//! What the end-to-end tests stand on: a gateway process, test data, and the tools that talk to it.
//!
//! The tests run the `haulout` binary as a user would: a process of its own, on ports of its own, with a
//! data directory of its own; they speak to it over sockets and, for faults, touch its files and kill it.
//! Nothing here links the gateway's code. Start at [`gateway`]; `tests/tests/` holds the suites.
//!
//! A step that does not go as it must panics with what it saw: a test has nobody to hand an error to. Only
//! [`wire`] returns errors, because a connection that breaks is what some tests are about.
//!
//! Environment variables:
//!
//! | variable | means |
//! |---|---|
//! | `HAULOUT_BIN` | the server binary; unset, `cargo build` makes it once per test process |
//! | `HAULOUT_TEST_ENV` | where `tests/setup.sh` put the clients (default `~/.cache/haulout/test-env`) |
//! | `HAULOUT_TEST_FULL` | `1`: thousands of real source files and a 2 GiB object instead of the small set |
//! | `HAULOUT_CRASH_ROUNDS` | how many times the crash test kills the server |
//! | `HAULOUT_KEEP_FAILED` | `1`: the data directory and log of a gateway whose test failed stay |
//! | `HAULOUT_SEED` | seed of the tests that draw at random; each prints the one it uses |

pub mod gateway;
pub mod tls;

pub mod checksum;
pub mod s3;
pub mod signature;
pub mod wire;
pub mod xml;

pub mod dataset;
pub mod environment;
pub mod program;
pub mod random;
