//! The codes of what loading can find: one table for identifier, severity and meaning; nothing else spells a code.

/// Whether a finding keeps the topology from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It must be mended first.
    Fault,
    /// It works, but the operator should know.
    Warning,
}

macro_rules! codes {
    ($($name:ident $severity:ident $code:literal $meaning:literal;)+) => {
        /// What loading can find, faults first, warnings after.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable identifier.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
            /// One sentence for the operator.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
            /// Whether it keeps the topology from being used.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    Syntax Fault "syntax" "The file is not TOML.";
    UnknownKey Fault "unknown_key" "A section or key that sipward does not know.";
    WrongType Fault "wrong_type" "A value of another type than the key wants.";
    UnknownWord Fault "unknown_word" "A word that the key does not know.";
    MissingKey Fault "missing_key" "A section or key that must be there.";
    EmptyList Fault "empty_list" "A list that needs at least one entry, or an empty entry in it.";
    InvalidName Fault "invalid_name" "Not a host name or domain in lower-case letters, digits and hyphens.";
    InvalidAddress Fault "invalid_address" "Not an address to listen on or to dial.";
    InvalidDuration Fault "invalid_duration" "Not a number with one of the units ms, s, m, h, d.";
    InvalidTime Fault "invalid_time" "Not a time of RFC 3339 with its offset.";
    InvalidSize Fault "invalid_size" "Not a number of octets or a number with KiB or MiB.";
    OutOfRange Fault "out_of_range" "A number, duration or size outside its bounds.";
    UnknownReference Fault "unknown_reference" "A name that no section of the file defines.";
    DuplicateName Fault "duplicate_name" "Two sections of a kind with one name, or a name twice in a list.";
    DuplicateListenerAddress Fault "duplicate_listener_address" "Two listeners that want the same address and port.";
    DuplicateSni Fault "duplicate_sni" "Two identities of one listener that carry the same name.";
    FileMissing Fault "file_missing" "A file that the topology names is not there.";
    FileUnreadable Fault "file_unreadable" "A file is there but cannot be read, or is too large.";
    PemMalformed Fault "pem_malformed" "A file does not hold the certificates, key or CRLs it should.";
    KeyMismatch Fault "key_mismatch" "A private key does not belong to the first certificate of its chain.";
    ChainOrder Fault "chain_order" "A chain whose certificates are not each issued by the next.";
    CertificateExpired Fault "certificate_expired" "A certificate of ours is past its validity.";
    CertificateNotYetValid Fault "certificate_not_yet_valid" "A certificate of ours is not valid yet.";
    IdentityWithoutFqdn Fault "identity_without_fqdn" "No identity of a listener carries the node's FQDN.";
    NoClientsHere Fault "no_clients_here" "A listener that accepts no clients and says what their certificates mean.";
    ClientTrustUnused Fault "client_trust_unused" "A client_trust at a listener that requires no certificates of clients.";
    CrlRequired Fault "crl_required" "Revocation is required but the trust set has no CRL.";
    PeerIsNode Fault "peer_is_node" "A peer has the name of this node.";
    PeerWithoutDomains Fault "peer_without_domains" "A federated peer without domains.";
    DomainNotHome Fault "domain_not_home" "A home peer or home pool with a domain that is not in node.domains.";
    DomainHomeAndFederated Fault "domain_home_and_federated" "A domain of a federated peer that is home, or covers what is ours.";
    DomainWithoutPool Fault "domain_without_pool" "A home domain that no pool serves.";
    DomainRoutedTwice Fault "domain_routed_twice" "A domain that two pools serve.";
    DomainNotOfMember Fault "domain_not_of_member" "A pool sends a domain to a federated peer that does not list it.";
    PoolMixedKinds Fault "pool_mixed_kinds" "A pool with home and federated peers.";
    DomainDenied Fault "domain_denied" "A home domain that boundary.deny_domains denies.";
    WindowEmpty Fault "window_empty" "A not_after that lies before its not_before.";
    IdentityGap Fault "identity_gap" "A listener or peer that would have no identity to show at some time.";
    PinMalformed Fault "pin_malformed" "A pin that is not a SHA-256 in base64 or hex.";
    TokenKeyMalformed Fault "token_key_malformed" "A line of the token key file that is not a key.";

    RevocationOff Warning "revocation_off" "Revoked certificates are accepted from this trust set.";
    CrlsUnused Warning "crls_unused" "CRLs are named but revocation is off.";
    WindowOver Warning "window_over" "An identity, peer or trust set that counts as absent since its not_after.";
    StageObserved Warning "stage_observed" "A peer whose pins and stricter policies are only observed.";
    TrustUnused Warning "trust_unused" "No peer and no listener names this trust set.";
    ClientPurposeMissing Warning "client_purpose_missing" "Our certificate may not act as a client.";
    ServerPurposeMissing Warning "server_purpose_missing" "Our certificate may not act as a server.";
    FqdnHiddenByUri Warning "fqdn_hidden_by_uri" "Our certificate has sip URIs, and the FQDN is not among them.";
    CertificateExpiresSoon Warning "certificate_expires_soon" "A certificate of ours or an anchor ends within 30 days.";
    ChainCertificateOver Warning "chain_certificate_over" "A root or cross-certificate in a chain of ours is not valid; nobody needs it.";
    KeyReadableByOthers Warning "key_readable_by_others" "A file with a secret can be read by every user, or written by others.";
    TokenKeysMissing Warning "token_keys_missing" "Route tokens are signed with a key of this run only.";
    WeightsUnused Warning "weights_unused" "Weights are given but the strategy does not use them.";
    DomainDeniedToPeer Warning "domain_denied_to_peer" "A domain of a peer that is denied, to it or to all.";
    AnonymousUnused Warning "anonymous_unused" "A home peer with `anonymous`, which it does not need.";
    DnsUnused Warning "dns_unused" "A peer says how DNS is asked, and it is not asked.";
    PrioritiesUnused Warning "priorities_unused" "Priorities are given but the strategy does not use them.";
    PoolDrained Warning "pool_drained" "Every member of a pool drains: nobody takes new requests.";
    NoListenerForClients Warning "no_listener_for_clients" "No listener accepts clients, and no peer is federated.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_words_in_snake_case() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.code()), "{} twice", code.code());
            assert!(
                code.code()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!(code.meaning().ends_with('.'));
        }
    }
}
