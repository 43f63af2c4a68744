//! The real daemon on loopback, with a PKI made by the test, against ends that read like a message chart.
#[cfg(test)]
mod absurd;
#[cfg(test)]
mod advertise;
#[cfg(test)]
mod balancer;
#[cfg(test)]
mod bindings;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod check;
#[cfg(test)]
mod client_certificates;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod control;
#[cfg(test)]
mod covers;
#[cfg(test)]
mod crl_fetch;
#[cfg(test)]
mod crl_refresh;
#[cfg(test)]
mod crl_state;
#[cfg(test)]
#[cfg(feature = "demo")]
mod demo;
#[cfg(test)]
mod denials;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod early_dialogs;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod first_hour;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod health;
#[cfg(test)]
mod hep;
#[cfg(test)]
mod init;
#[cfg(test)]
mod interleaved;
#[cfg(test)]
mod keep_alives;
#[cfg(test)]
mod log;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod named_fields;
#[cfg(test)]
mod newcomer;
#[cfg(test)]
mod next_hops;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod page;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod resumption;
#[cfg(test)]
mod shared_certificate;
#[cfg(test)]
mod siblings;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod state;
#[cfg(test)]
mod tenant_commands;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod three_nodes;
#[cfg(test)]
mod top;
#[cfg(test)]
mod torture;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod trust_matrix;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod upgrade_calls;
#[cfg(test)]
mod upgrade_commands;
#[cfg(test)]
mod upgrade_failures;
#[cfg(test)]
mod upgrade_traces;
#[cfg(test)]
mod withdrawal;
