//! Interop: the real daemon between programs of others (Asterisk, Kamailio, baresip, Linphone, sipsak, openssl,
//! sslscan, tshark, dnsmasq, HAProxy, keepalived) on loopback.
//!
//! Each test starts its own programs on its own ports with its own certificates. A program that is not installed
//! skips its tests with a line on standard error; with `SIPWARD_INTEROP=require` in the environment it fails them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its harness too"
)]

mod asterisk;
mod balancer;
mod calls;
mod captures;
mod command_line_clients;
mod dialogs;
mod factory_certificates;
mod fail2ban;
mod federation;
mod harness;
mod hep;
mod home_server;
mod kamailio;
mod keepalived;
mod kubernetes;
mod linphone_calls;
mod next_hops;
mod openssl_crls;
mod srv_records;
mod tls_surface;
mod two_nodes;
mod vanished;
mod weak_key;
mod wire_format;
