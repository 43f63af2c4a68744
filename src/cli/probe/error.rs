//! Why a peer cannot be probed.
//!
//! None of these says anything about the peer: that would be a verdict, with an exit code of its own.
use crate::cli::Exit;
use crate::cli::complaint::complain;
use crate::cli::output::print_faults;
use crate::topology::{DnsName, Fault, NameError, PeerName};
use std::io;

/// Why a peer cannot be probed; exit code 2, so that it is never taken for its fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// The topology has faults.
    #[error("the topology cannot be used (--config FILE names another):")]
    Topology(Vec<Fault>),
    /// What was written is no name.
    #[error(
        "{0}: neither a [[peer]] of the topology nor a host name: {1}; sipward probe NAME --address ADDRESS:PORT dials an address"
    )]
    NoName(String, NameError),
    /// The entry says where the peer is.
    #[error(
        "{0} is a [[peer]] of the topology, whose keys say where to dial: leave port and --address out"
    )]
    Listed(String),
    /// It is the name that certificates are held against, and the entries have names of their own.
    #[error("{0} is the fqdn of {1}: name one of them (or write --peer)")]
    Fqdn(String, String),
    /// The entry that was named is not in the topology.
    #[error("--peer {0}: no [[peer]] of the topology has this name")]
    UnknownEntry(String),
    /// The entry that was named has nothing to do with the name.
    #[error("--peer {0}: {1} is neither its fqdn nor in its `covers`")]
    NotCovered(PeerName, DnsName),
    /// A server that is not listed cannot be looked for.
    #[error("{0} is in no [[peer]], and an entry for it would not be good:")]
    NoEntry(String, Vec<Fault>),
    /// Nobody knows where it is.
    #[error(
        "{0} is in no [[peer]], and DNS has no address for it; --address ADDRESS:PORT names one"
    )]
    NoAddress(String),
}

impl ProbeError {
    /// Prints it, with the faults as `check` prints them below it, and returns the exit code of a question that cannot be asked.
    pub(super) fn print(&self) -> Exit {
        complain(self);
        if let Self::Topology(faults) | Self::NoEntry(_, faults) = self {
            // Who has closed standard error does not want to know.
            let _ = print_faults(faults, &mut io::stderr());
        }
        Exit::Usage
    }
}
