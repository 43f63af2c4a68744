//! The topology: the TOML file read, resolved and checked, so that no later layer has an open question.
//!
//! Loading goes in steps, each of which reports all that it finds before anything is given up: `load::file` parses the
//! document, `keys` holds it against the table of all keys and takes it over into structs, `load::resolve` reads the files
//! that it names and follows its references. Only a file without a single fault becomes a [`Topology`].

// Names that other layers use are re-exported below; what is not there is private to the topology.
mod armour;
mod boundary;
mod certificate;
mod changes;
mod crl;
mod crl_files;
mod crl_scope;
pub(crate) mod der;
pub(crate) mod distinguished_name;
mod dns_name;
mod domain;
mod domain_list;
mod domain_set;
mod fast_map;
mod fault;
mod field_list;
mod findings;
mod grants;
pub(crate) mod keys;
mod load;
pub(crate) mod looks;
mod machine_memory;
mod model;
mod moment;
mod named_fields;
mod named_file;
mod nearest;
pub(crate) mod network;
mod peer_index;
mod peer_name;
mod peering;
mod pem;
mod pem_error;
mod pin;
mod printable;
pub(crate) mod public_roots;
mod quantity;
mod references;
mod restart_settings;
mod settings;
mod succession;
#[cfg(test)]
mod tests;
#[expect(
    clippy::module_inception,
    reason = "a topology is what this folder is about"
)]
mod topology;
mod trust_fields;
mod window;

pub use crate::reason::{CrlReason, Severity, TopologyReason};
pub use boundary::{Boundary, PeerBoundary};
pub use certificate::CertificateFacts;
pub(crate) use certificate::sip_host;
pub use crl::Crl;
pub(crate) use crl::{order_of_numbers, sha256};
pub use crl_files::{CrlFile, CrlSource, HeldCrl, parse_crls, read_crls};
pub(crate) use crl_files::{fetched_crls, one_of, room};
pub use crl_scope::CrlScope;
pub(crate) use crl_scope::general_names;
pub use dns_name::{DnsName, NameError};
pub use domain::Domain;
pub(crate) use domain::above;
pub(crate) use domain_list::DomainList;
pub(crate) use domain_set::DomainSet;
pub(crate) use fast_map::FastMap;
pub use fault::{Fault, Warning};
pub use grants::Grants;
pub use keys::Every;
pub use keys::health::Health;
pub use keys::limits::Limits;
pub use keys::log::{LogFormat, LogIdentities, LogRequests, LogSettings};
pub(crate) use load::read_topology;
pub use load::{load, load_text};
pub(crate) use model::MOST_SHARDS;
pub use model::{
    Accept, ClientCertificates, Confinement, Direction, Expectation, Identity, KeyPair, Listener,
    Node, Revocation, RevocationScope, Scheduling, Staple, TrustSet,
};
pub(crate) use moment::{moment, show_moment, show_time};
pub use named_fields::NamedFields;
pub use named_file::NamedFile;
pub(crate) use named_file::{LARGEST_FILE, closed_directory, open_regular, read_regular};
pub(crate) use nearest::did_you_mean;
pub(crate) use network::{network, reached_at};
pub(crate) use peer_index::PeerIndex;
pub use peer_name::PeerName;
pub(crate) use peering::PeerTerms;
pub use peering::{
    ClientPath, DialAddress, Lookup, NamePolicy, Peer, PeerKind, Pool, PurposePolicy, Stage,
    Strategy,
};
pub use pem::{certificates as certificates_in, private_key as private_key_in};
pub use pem_error::PemError;
pub use pin::Pin;
pub(crate) use printable::{acts_on_reader, printable, subject_text};
pub(crate) use quantity::{duration, show_duration, show_size};
pub(crate) use references::TopologyId;
pub use references::{IdentityRef, PeerRef, TrustRef};
pub use restart_settings::RestartSettings;
pub use settings::{
    AdminSettings, DnsSettings, HepPassword, HepSettings, HttpSettings, TokenSettings,
};
pub use topology::Topology;
pub use trust_fields::{FieldRules, FieldTrust};
pub use window::{Window, WindowState};
