//! What a generation names: every name of the topology and every CA of its trust sets, by keyed hashes, so that a
//! certificate that has to do with none of them can be recognised.
use crate::topology::{DialAddress, Pin, Topology, sha256};
use crate::trust::certificate::{chain::Chain, text::subject_text};
use crate::trust::names::lenient::{NameParts, decoded, each_name};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// Who a name of the topology belongs to.
///
/// The order is that of weight: where a certificate touches names of several, the first one explains the
/// refusal best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NameOwner {
    /// A peer's, or an address that is dialled for one.
    Peer,
    /// This node's.
    Own,
    /// A home domain.
    Home,
    /// A domain that a partner or a pool serves.
    Partner,
}

impl NameOwner {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Peer => "a name of a [[peer]]",
            Self::Own => "a name of this node",
            Self::Home => "a home domain",
            Self::Partner => "a domain of a [[peer]] or [[pool]]",
        }
    }
}

/// The names and CAs of one generation.
pub(crate) struct TopologyNames {
    // Keyed, because strangers choose the names that are looked up: without the key they could aim at one
    // bucket. Hashes and not names, because a topology can hold very many and this is only a first question.
    hashes: RandomState,
    /// Whole names.
    names: HashMap<u64, NameOwner>,
    /// What stands behind the first label of a name, and behind the second ...: a wildcard above it covers the name.
    // Filled when the topology is loaded, so that a wildcard is one look-up and not a walk through all names.
    parents: HashMap<u64, NameOwner>,
    /// Domains that stand for all below them (`*.example.test`).
    suffixes: HashMap<u64, NameOwner>,
    // A certificate for an address is matched against addresses that are dialled and listened on.
    addresses: HashMap<IpAddr, NameOwner>,
    /// Subjects of anchors and of the CAs between them and the local certificates, and issuers of CRLs.
    authorities: HashSet<u64>,
    /// SHA-256 of public keys: of anchors, and pinned ones.
    // Keys besides names: a CA that was renamed is the same CA.
    keys: HashSet<[u8; 32]>,
    /// subjectKeyIdentifiers of anchors.
    // A CA that was left out of a chain is still named by the key identifier in what it issued.
    key_ids: HashSet<u64>,
}

impl TopologyNames {
    /// Reads the topology once.
    pub(crate) fn of(topology: &Topology) -> Self {
        // Empty tables, filled by the two passes below; the key of the hashes is drawn anew for each
        // generation.
        let mut known = Self {
            hashes: RandomState::new(),
            names: HashMap::new(),
            parents: HashMap::new(),
            suffixes: HashMap::new(),
            addresses: HashMap::new(),
            authorities: HashSet::new(),
            keys: HashSet::new(),
            key_ids: HashSet::new(),
        };
        known.add_names(topology);
        known.add_authorities(topology);
        known
    }

    fn add_names(&mut self, topology: &Topology) {
        for peer in topology.peers() {
            // Peers before local names and domains: who is added first owns the name.
            self.add(peer.fqdn.as_str(), NameOwner::Peer);
            // A certificate for the address of a listed server must not pass as a phone's either.
            for address in &peer.addresses {
                match address {
                    DialAddress::Socket(address) => self.add_address(address.ip(), NameOwner::Peer),
                    DialAddress::Host(host, _) => self.add(host, NameOwner::Peer),
                }
            }
            // A pinned key belongs to a listed peer, whatever certificate it comes in.
            self.keys.extend(peer.pins.iter().map(|Pin(pin)| *pin));
        }
        let node = topology.node();
        for name in topology.own_names() {
            self.add(name.as_str(), NameOwner::Own);
        }
        // The node's own names: a certificate with one of them is a copy, or a mistake that nobody should
        // overlook.
        for alias in &node.aliases {
            self.add(&alias.to_string(), NameOwner::Own);
        }
        for name in topology.identities().iter().flat_map(|own| &own.names) {
            self.add(name.as_str(), NameOwner::Own);
        }
        for listener in topology.listeners() {
            // 0.0.0.0 and :: name no host.
            if !listener.address.ip().is_unspecified() {
                self.add_address(listener.address.ip(), NameOwner::Own);
            }
        }
        for domain in &node.domains {
            self.add(&domain.to_string(), NameOwner::Home);
        }
        // Domains last, and of least weight: users and phones of a domain legitimately have certificates with
        // its name.
        let of_peers = topology.peers().iter().flat_map(|peer| &peer.domains);
        let of_pools = topology.pools().iter().flat_map(|pool| &pool.domains);
        for domain in of_peers.chain(of_pools) {
            self.add(&domain.to_string(), NameOwner::Partner);
        }
    }

    /// A name, an address, or `*.` and a domain; of several owners the first stays.
    fn add(&mut self, text: &str, owner: NameOwner) {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return self.add_address(address, owner);
        }
        // A domain of the topology may be written `*.example.test`.
        let (text, all_below) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let hash = self.hash(name.as_bytes());
        // `*.example.test` stands for any depth below, as in a peer's `domains`.
        let table = if all_below {
            &mut self.suffixes
        } else {
            &mut self.names
        };
        table.entry(hash).or_insert(owner);
        let mut rest = name.as_str();
        while let Some((_, parent)) = rest.split_once('.') {
            let hash = self.hash(parent.as_bytes());
            // Every ancestor, since a lax reader may let a wildcard cover more than one label.
            self.parents.entry(hash).or_insert(owner);
            rest = parent;
        }
    }

    fn add_address(&mut self, address: IpAddr, owner: NameOwner) {
        self.addresses
            // ::ffff:10.0.0.11 and 10.0.0.11 are one address.
            .entry(address.to_canonical())
            .or_insert(owner);
    }

    fn add_authorities(&mut self, topology: &Topology) {
        for set in topology.trusts() {
            for anchor in &set.anchors {
                if let Ok((_, anchor)) = X509Certificate::from_der(anchor) {
                    let subject = self.authority(anchor.subject());
                    self.authorities.insert(subject);
                    self.keys.insert(key_of(&anchor));
                    // Roots of X.509 v1 have none.
                    if let Some(id) = own_key_id(&anchor) {
                        let id = self.hash(id);
                        self.key_ids.insert(id);
                    }
                }
            }
            // A CRL is often named for a CA whose certificate is not among the anchors.
            for crl in &set.crls {
                // The issuer of a CRL is a CA of the set by the operator's word.
                if let Ok((_, issuer)) = X509Name::from_der(crl.issuer_der()) {
                    let issuer = self.authority(&issuer);
                    self.authorities.insert(issuer);
                }
            }
        }
        // The CAs between an anchor and a local certificate, the highest first: its issuer has been looked at by then.
        // Whatever issues this node's certificates belongs to the site, whether it is an anchor or not.
        for own in topology.identities() {
            let chains = [Some(&own.server), own.client.as_ref()];
            for pair in chains.into_iter().flatten() {
                for der in pair.chain.iter().skip(1).rev() {
                    if let Ok((_, authority)) = X509Certificate::from_der(der)
                        && self
                            .authorities
                            .contains(&self.authority(authority.issuer()))
                    {
                        // One pass from the top is enough, since each issuer stands above what it issued.
                        let subject = self.authority(authority.subject());
                        self.authorities.insert(subject);
                    }
                }
            }
        }
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        self.hashes.hash_one(bytes)
    }

    /// A distinguished name as RFC 5280 §7.1 compares it: without regard to string type, case and inner spaces.
    fn authority(&self, name: &X509Name<'_>) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        // Not NameKey: this comparison is meant to be more lenient, and a false match only refuses a phone.
        for rdn in name.iter_rdn() {
            let mut parts: Vec<(Vec<u8>, String)> = rdn
                .iter()
                .map(|part| {
                    let text = decoded(part.attr_value().tag().0, part.attr_value().data);
                    // Inner spaces are one, and case is folded for all letters and not only for ASCII.
                    let words: Vec<&str> = text.split_whitespace().collect();
                    let text = words.join(" ").to_lowercase();
                    (part.attr_type().as_bytes().to_vec(), text)
                })
                .collect();
            // The attributes of one RDN are a set; DER sorts them, and not every CA writes DER.
            parts.sort();
            // Lengths and separators, so that no two names run together into one text.
            hasher.write_usize(parts.len());
            for (kind, text) in parts {
                hasher.write(&kind);
                hasher.write_u8(0xff);
                hasher.write(text.as_bytes());
                hasher.write_u8(0xff);
            }
        }
        hasher.finish()
    }

    /// Whether the chain has to do with a CA of the topology, proven or not: one of its certificates names such a CA, is one, or
    /// has the key of one. What cannot be verified (a signature of an old kind, a CA that was left out) counts all the same.
    pub(crate) fn leads_to_an_anchor(&self, chain: &Chain<'_>) -> Option<String> {
        chain.all().find_map(|certificate| {
            // The name alone is enough: an impostor of a known CA is refused as what it claims to be, and not
            // passed over as a phone.
            let names = [certificate.issuer(), certificate.subject()];
            if let Some(name) = names
                .into_iter()
                .find(|name| self.authorities.contains(&self.authority(name)))
            {
                let name = subject_text(name);
                return Some(format!("it names the CA {name} of a trust set"));
            }
            if self.keys.contains(&key_of(certificate)) {
                return Some("it has a key that the topology pins or trusts".to_owned());
            }
            // The last resort: neither name nor key has identified it.
            let id = issuers_key_id(certificate)?;
            let is_known = self.key_ids.contains(&self.hash(id));
            is_known.then(|| "its issuer's key identifier is that of an anchor".to_owned())
        })
    }

    /// The first name of the leaf, read as any reader might, that covers a name of the topology.
    ///
    /// # Errors
    /// A field that cannot be read with certainty.
    pub(crate) fn named_by(
        &self,
        leaf: &X509Certificate<'_>,
    ) -> Result<Option<(String, NameOwner)>, String> {
        let mut found = None;
        // All readings are produced even after a match; the walk is bounded by the size of the certificate.
        each_name(leaf, |part| {
            // The first name is as good as any: one is enough to refuse.
            if found.is_none() {
                found = self.covered(&part).map(|owner| (part.to_string(), owner));
            }
        })?;
        Ok(found)
    }

    fn covered(&self, part: &NameParts) -> Option<NameOwner> {
        match part {
            NameParts::Address(address) => self.addresses.get(&address.to_canonical()).copied(),
            // A bare star covers every name of the topology.
            NameParts::Everything => Some(NameOwner::Own),
            NameParts::Below(rest) => {
                let hash = self.hash(rest.as_bytes());
                // What stands behind the star may be the parent of a name, a name itself, or a domain with
                // all below it.
                let tables = [&self.parents, &self.names, &self.suffixes];
                let at = tables.into_iter().find_map(|table| table.get(&hash));
                // Or something inside a domain that stands for all below it.
                at.copied().or_else(|| self.under_suffix(rest))
            }
            NameParts::Name(name) => {
                let whole = self.names.get(&self.hash(name.as_bytes())).copied();
                whole.or_else(|| self.under_suffix(name))
            }
        }
    }

    /// The owner of a domain that stands for all below it and has the name below it.
    ///
    /// Walks up the labels of the name; only where the topology has such domains at all.
    fn under_suffix(&self, name: &str) -> Option<NameOwner> {
        if self.suffixes.is_empty() {
            return None;
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(owner) = self.suffixes.get(&self.hash(parent.as_bytes())) {
                return Some(*owner);
            }
            rest = parent;
        }
        None
    }
}

/// As [`PublicKey`](crate::trust::certificate::key::PublicKey) has it, and pins; without parsing the key.
fn key_of(certificate: &X509Certificate<'_>) -> [u8; 32] {
    sha256(certificate.public_key().raw)
}

/// The subjectKeyIdentifier.
fn own_key_id<'c>(certificate: &'c X509Certificate<'_>) -> Option<&'c [u8]> {
    certificate.extensions().iter().find_map(|extension| {
        if let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() {
            Some(id.0)
        } else {
            None
        }
    })
}

/// The authorityKeyIdentifier.
fn issuers_key_id<'c>(certificate: &'c X509Certificate<'_>) -> Option<&'c [u8]> {
    certificate.extensions().iter().find_map(|extension| {
        if let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() {
            id.key_identifier.as_ref().map(|id| id.0)
        } else {
            None
        }
    })
}
