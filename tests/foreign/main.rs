//! Foreign suites: chains and files that nobody here wrote, or whose verdict somebody else's program gives.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends there"
)]

mod chains;
mod desk;
mod files;
mod limbo;
