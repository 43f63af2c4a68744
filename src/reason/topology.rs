//! What loading a topology can find: faults, which keep it from being used, then warnings.

/// How to see a finding.
const FINDING: &str = "sipward check FILE prints the line, and what is wrong there";
/// Findings carry their own remedy.
const NAMED: &str = "what the finding itself says";

/// Whether a finding keeps the topology from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It must be fixed first.
    Fault,
    /// It works, but the operator should know.
    Warning,
}

reasons! {
    /// What loading a topology found.
    pub enum TopologyReason of Topology {
        Syntax "syntax" {
            what: "The file is not TOML.",
            check: FINDING,
            remedy: NAMED,
        }
        UnknownKey "unknown_key" {
            what: "A section or key that sipward does not know.",
            check: FINDING,
            remedy: NAMED,
        }
        WrongType "wrong_type" {
            what: "A value of another type than the key wants.",
            check: FINDING,
            remedy: NAMED,
        }
        UnknownWord "unknown_word" {
            what: "A word that the key does not know.",
            check: FINDING,
            remedy: NAMED,
        }
        MissingKey "missing_key" {
            what: "A section or key that must be there.",
            check: FINDING,
            remedy: NAMED,
        }
        EmptyList "empty_list" {
            what: "A list that needs at least one entry, or an empty entry in it.",
            check: FINDING,
            remedy: NAMED,
        }
        InvalidName "invalid_name" {
            what: "Not a host name or domain in lower-case letters, digits and hyphens.",
            check: FINDING,
            remedy: NAMED,
        }
        InvalidAddress "invalid_address" {
            what: "Not an address to listen on or to dial.",
            check: FINDING,
            remedy: NAMED,
        }
        InvalidDuration "invalid_duration" {
            what: "Not a number with one of the units ms, s, m, h, d.",
            check: FINDING,
            remedy: NAMED,
        }
        InvalidTime "invalid_time" {
            what: "Not a time of RFC 3339 with its offset.",
            check: FINDING,
            remedy: NAMED,
        }
        InvalidSize "invalid_size" {
            what: "Not a number of octets or a number with KiB or MiB.",
            check: FINDING,
            remedy: NAMED,
        }
        OutOfRange "out_of_range" {
            what: "A number, duration or size outside its bounds.",
            check: FINDING,
            remedy: NAMED,
        }
        UnknownReference "unknown_reference" {
            what: "A name that no section of the file defines.",
            check: FINDING,
            remedy: NAMED,
        }
        DuplicateName "duplicate_name" {
            what: "Two sections of a kind with one name, or a name twice in a list.",
            check: FINDING,
            remedy: NAMED,
        }
        DuplicateListenerAddress "duplicate_listener_address" {
            what: "Two listeners that want the same address and port.",
            check: FINDING,
            remedy: NAMED,
        }
        DuplicateSni "duplicate_sni" {
            what: "Two identities of one listener that carry the same name.",
            check: FINDING,
            remedy: NAMED,
        }
        FileMissing "file_missing" {
            what: "A file that the topology names is not there.",
            check: FINDING,
            remedy: NAMED,
        }
        FileUnreadable "file_unreadable" {
            what: "A file is there but cannot be read, or is too large.",
            check: FINDING,
            remedy: NAMED,
        }
        PemMalformed "pem_malformed" {
            what: "A file does not hold the certificates, key or CRLs it should.",
            check: FINDING,
            remedy: NAMED,
        }
        KeyMismatch "key_mismatch" {
            what: "A private key does not belong to the first certificate of its chain.",
            check: FINDING,
            remedy: NAMED,
        }
        ChainOrder "chain_order" {
            what: "A chain whose certificates are not each issued by the next.",
            check: FINDING,
            remedy: NAMED,
        }
        CertificateExpired "certificate_expired" {
            what: "A certificate of ours is past its validity.",
            check: FINDING,
            remedy: NAMED,
        }
        CertificateNotYetValid "certificate_not_yet_valid" {
            what: "A certificate of ours is not valid yet.",
            check: FINDING,
            remedy: NAMED,
        }
        IdentityWithoutFqdn "identity_without_fqdn" {
            what: "No identity of a listener carries the node's FQDN.",
            check: FINDING,
            remedy: NAMED,
        }
        NoClientsHere "no_clients_here" {
            what: "A listener that accepts no clients and says what their certificates mean.",
            check: FINDING,
            remedy: NAMED,
        }
        ClientTrustUnused "client_trust_unused" {
            what: "A client_trust at a listener that requires no certificates of clients.",
            check: FINDING,
            remedy: NAMED,
        }
        CrlRequired "crl_required" {
            what: "Revocation is required but the trust set has no CRL.",
            check: FINDING,
            remedy: NAMED,
        }
        PeerIsNode "peer_is_node" {
            what: "A peer has the name of this node.",
            check: FINDING,
            remedy: NAMED,
        }
        PeerWithoutDomains "peer_without_domains" {
            what: "A federated peer without domains.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainNotHome "domain_not_home" {
            what: "A home peer or home pool with a domain that is not in node.domains.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainHomeAndFederated "domain_home_and_federated" {
            what: "A domain of a federated peer that is home, or covers what is ours.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainWithoutPool "domain_without_pool" {
            what: "A home domain that no pool serves.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainRoutedTwice "domain_routed_twice" {
            what: "A domain that two pools serve.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainNotOfMember "domain_not_of_member" {
            what: "A pool sends a domain to a federated peer that does not list it.",
            check: FINDING,
            remedy: NAMED,
        }
        PoolMixedKinds "pool_mixed_kinds" {
            what: "A pool with home and federated peers.",
            check: FINDING,
            remedy: NAMED,
        }
        HomeDomainDenied "home_domain_denied" {
            what: "A home domain that boundary.deny_domains denies.",
            check: FINDING,
            remedy: NAMED,
            former: ["domain_denied"],
        }
        WindowEmpty "window_empty" {
            what: "A not_after that lies before its not_before.",
            check: FINDING,
            remedy: NAMED,
        }
        IdentityGap "identity_gap" {
            what: "A listener or peer that would have no identity to show at some time.",
            check: FINDING,
            remedy: NAMED,
        }
        PinMalformed "pin_malformed" {
            what: "A pin that is not a SHA-256 in base64 or hex.",
            check: FINDING,
            remedy: NAMED,
        }
        TokenKeyMalformed "token_key_malformed" {
            what: "A line of the token key file that is not a key.",
            check: FINDING,
            remedy: NAMED,
        }
        RevocationOff "revocation_off" {
            what: "Revoked certificates are accepted from this trust set.",
            check: FINDING,
            remedy: NAMED,
        }
        CrlsUnused "crls_unused" {
            what: "CRLs are named but revocation is off.",
            check: FINDING,
            remedy: NAMED,
        }
        WindowOver "window_over" {
            what: "An identity, peer or trust set that counts as absent since its not_after.",
            check: FINDING,
            remedy: NAMED,
        }
        StageObserved "stage_observed" {
            what: "A peer whose pins and stricter policies are only observed.",
            check: FINDING,
            remedy: NAMED,
        }
        TrustUnused "trust_unused" {
            what: "No peer and no listener names this trust set.",
            check: FINDING,
            remedy: NAMED,
        }
        ClientPurposeMissing "client_purpose_missing" {
            what: "Our certificate may not act as a client.",
            check: FINDING,
            remedy: NAMED,
        }
        ServerPurposeMissing "server_purpose_missing" {
            what: "Our certificate may not act as a server.",
            check: FINDING,
            remedy: NAMED,
        }
        FqdnHiddenByUri "fqdn_hidden_by_uri" {
            what: "Our certificate has sip URIs, and the FQDN is not among them.",
            check: FINDING,
            remedy: NAMED,
        }
        CertificateExpiresSoon "certificate_expires_soon" {
            what: "A certificate of ours or an anchor ends within 30 days.",
            check: FINDING,
            remedy: NAMED,
        }
        ChainCertificateOver "chain_certificate_over" {
            what: "A root or cross-certificate in a chain of ours is not valid; nobody needs it.",
            check: FINDING,
            remedy: NAMED,
        }
        KeyReadableByOthers "key_readable_by_others" {
            what: "A file with a secret can be read by every user, or written by others.",
            check: FINDING,
            remedy: NAMED,
        }
        TokenKeysMissing "token_keys_missing" {
            what: "Route tokens are signed with a key of this run only.",
            check: FINDING,
            remedy: NAMED,
        }
        WeightsUnused "weights_unused" {
            what: "Weights are given but the strategy does not use them.",
            check: FINDING,
            remedy: NAMED,
        }
        DomainDeniedToPeer "domain_denied_to_peer" {
            what: "A domain of a peer that is denied, to it or to all.",
            check: FINDING,
            remedy: NAMED,
        }
        AnonymousUnused "anonymous_unused" {
            what: "A home peer with `anonymous`, which it does not need.",
            check: FINDING,
            remedy: NAMED,
        }
        DnsUnused "dns_unused" {
            what: "A peer says how DNS is asked, and it is not asked.",
            check: FINDING,
            remedy: NAMED,
        }
        PrioritiesUnused "priorities_unused" {
            what: "Priorities are given but the strategy does not use them.",
            check: FINDING,
            remedy: NAMED,
        }
        PoolDrained "pool_drained" {
            what: "Every member of a pool drains: nobody takes new requests.",
            check: FINDING,
            remedy: NAMED,
        }
        NoListenerForClients "no_listener_for_clients" {
            what: "No listener accepts clients, and no peer is federated.",
            check: FINDING,
            remedy: NAMED,
        }
    }
}

impl Severity {
    /// As written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Warning => "warning",
        }
    }
}

impl TopologyReason {
    /// Whether it keeps the topology from being used: the table lists the faults first.
    pub const fn severity(self) -> Severity {
        if (self as usize) < Self::RevocationOff as usize {
            Severity::Fault
        } else {
            Severity::Warning
        }
    }
}
