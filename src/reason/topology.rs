//! What loading a topology can find: faults, which keep it from being used, then warnings.

/// How to see a finding.
const FINDING: &str = "sipward check FILE prints the line, and what is wrong there";

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
    pub enum TopologyReason of Topology (check FINDING, remedy "") {
        /// the file is not valid TOML
        Syntax "syntax"
            remedy: "correct the line that is named",
        /// there is no section or key of this name
        UnknownKey "unknown_key"
            remedy: "correct the name, or remove the line; docs/topology.md lists them all",
        /// the value has another type than the key requires
        WrongType "wrong_type"
            remedy: "write the type that the finding names",
        /// the key does not accept this word
        UnknownWord "unknown_word"
            remedy: "use one of the words that the finding lists",
        /// a required section or key is missing
        MissingKey "missing_key"
            remedy: "add it",
        /// a list that needs at least one entry is empty, or one of its entries is
        EmptyList "empty_list"
            remedy: "add an entry, or remove the key",
        /// the value is not a host name or domain in lower-case letters, digits and hyphens
        InvalidName "invalid_name"
            remedy: "write the name without port, scheme or wildcard",
        /// the value is not an address to listen on or to dial
        InvalidAddress "invalid_address"
            remedy: "write IP:PORT, or for a peer also a host name",
        /// the value is not an IP address or a network of them
        InvalidNetwork "invalid_network"
            remedy: "write an address, or a network without bits behind its prefix such as 10.0.0.0/24",
        /// the value is not a number with one of the units ms, s, m, h or d
        InvalidDuration "invalid_duration"
            remedy: "write a duration such as 500ms or 30s",
        /// the value is not a time of RFC 3339 with its offset
        InvalidTime "invalid_time"
            remedy: "write a time such as 2026-11-24T12:00:00Z",
        /// the value is not a number of bytes, or a number with KiB, MiB or GiB
        InvalidSize "invalid_size"
            remedy: "write a size such as 65536 or 64KiB",
        /// the number, duration or size is out of range
        OutOfRange "out_of_range"
            remedy: "use a value within the bounds that the finding names",
        /// no section of the file defines this name
        UnknownReference "unknown_reference"
            remedy: "correct the name, or add the section",
        /// two sections of a kind have the same name, or a list has a name twice
        DuplicateName "duplicate_name"
            remedy: "rename or remove one of them",
        /// two listeners have the same address and port
        DuplicateListenerAddress "duplicate_listener_address"
            remedy: "give each listener an address of its own",
        /// two identities of one listener have the same name in their certificates
        DuplicateSni "duplicate_sni"
            remedy: "leave one of them out of the listener",
        /// a file that the topology names does not exist
        FileMissing "file_missing"
            remedy: "correct the path, or put the file in place",
        /// a file exists but cannot be read, or is too large
        FileUnreadable "file_unreadable"
            remedy: "let the user that sipward runs as read it",
        /// a file does not contain the certificates, key or CRLs that it should
        PemMalformed "pem_malformed"
            remedy: "name a file with what the finding asks for",
        /// the private key does not belong to the first certificate of the chain
        KeyMismatch "key_mismatch"
            remedy: "name the key of the leaf, and put the leaf first",
        /// the certificates of the chain are not each issued by the next
        ChainOrder "chain_order"
            remedy: "order them: the leaf, then its issuer, then the issuer's issuer",
        /// a local certificate has expired
        CertificateExpired "certificate_expired"
            remedy: "renew it; or check this machine's clock",
        /// a local certificate is not valid yet
        CertificateNotYetValid "certificate_not_yet_valid"
            remedy: "wait, or check the clocks of this machine and of the CA",
        /// no identity of the listener has the node's FQDN in its certificate
        IdentityWithoutFqdn "identity_without_fqdn"
            remedy: "have the certificate issued with the FQDN as dNSName",
        /// no identity that is shown has the name in its certificate by which the node is announced there
        IdentityWithoutAdvertise "identity_without_advertise"
            remedy: "have the certificate issued with the name as dNSName, or correct `advertise`",
        /// the listener accepts no clients, but says what their certificates mean
        NoClientsHere "no_clients_here"
            remedy: "add \"client\" to `accept`, or remove the key",
        /// the listener has a client_trust, but does not require certificates of clients
        ClientTrustUnused "client_trust_unused"
            remedy: "set client_certificates = \"require\", or remove client_trust",
        /// revocation is required, but the trust set has no CRL
        CrlRequired "crl_required"
            remedy: "name the CA's CRLs, or set revocation = \"off\"",
        /// a peer has the name of this node
        PeerIsNode "peer_is_node"
            remedy: "remove the [[peer]], or correct its fqdn",
        /// a peer is named by the fqdn of another one
        PeerNameMisleads "peer_name_misleads"
            remedy: "give it a `name` that is nobody's fqdn",
        /// several peers have one fqdn, and nothing tells them apart
        FqdnShared "fqdn_shared"
            remedy: "write one [[peer]] for it, or, for several tenants of a partner, give each an `identity` and an `advertise` of its own",
        /// a key that tells tenants of a partner apart stands at a home server or at a pool of home servers
        TenantKeyUnfit "tenant_key_unfit"
            remedy: "remove the key; it is for partners",
        /// the members of a pool know this node by different names
        PoolMixedTenants "pool_mixed_tenants"
            remedy: "make a pool for each tenant, with the callers' domains in `from_domains`",
        /// there are siblings, but no file of token keys that they could share
        SiblingWithoutKeys "sibling_without_keys"
            remedy: "name a `key_file` in [tokens], the same on all nodes",
        /// there are siblings, but no name by which they all go
        SiblingWithoutName "sibling_without_name"
            remedy: "set node.advertise, to the same name on all nodes",
        /// a pool has a sibling as a member
        SiblingInPool "sibling_in_pool"
            remedy: "take it out of the pool: it is another edge, not a server behind it",
        /// a federated peer has no domains
        PeerWithoutDomains "peer_without_domains"
            remedy: "list the domains that the partner serves",
        /// a home peer or a home pool has a domain that is not in node.domains
        DomainNotHome "domain_not_home"
            remedy: "add the domain to node.domains, or remove it here",
        /// a domain of a federated peer is a home domain, or is above one
        DomainHomeAndFederated "domain_home_and_federated"
            remedy: "remove the domain from one of the two",
        /// a peer covers names that it may not: it is no partner, or they are those of the home side, too wide, or another
        /// peer's that grants something else
        CoversNotPermitted "covers_not_permitted"
            remedy: "list in `covers` the names of this partner's servers alone, each under one set of rights",
        /// no pool serves this home domain
        DomainWithoutPool "domain_without_pool"
            remedy: "add the domain to a pool",
        /// two pools serve the same domain
        DomainRoutedTwice "domain_routed_twice"
            remedy: "remove the domain from one of them",
        /// a pool sends a domain to a federated peer that does not list it
        DomainNotOfMember "domain_not_of_member"
            remedy: "add the domain to the [[peer]], or take the peer out of the pool",
        /// a pool has home peers and federated peers
        PoolMixedKinds "pool_mixed_kinds"
            remedy: "make a pool for each kind",
        /// boundary.deny_domains denies a home domain
        HomeDomainDenied "home_domain_denied" (was "domain_denied")
            remedy: "remove the domain from deny_domains, or make it more specific",
        /// a list of header fields has one that a proxy or a parser needs, or what is no name of a field, or a text cannot be
        /// the value of one
        FieldNotPermitted "field_not_permitted"
            remedy: "choose other fields, or a pattern such as X-*",
        /// a not_after is before its not_before
        WindowEmpty "window_empty"
            remedy: "correct one of the two",
        /// a listener or a peer would have no identity to show at some time
        IdentityGap "identity_gap"
            remedy: "let the windows of the identities meet, or leave one of them open",
        /// a pin is not a SHA-256 digest in base64 or hex
        PinMalformed "pin_malformed"
            remedy: "write the digest of the key's SubjectPublicKeyInfo",
        /// a line of the token key file is not a key
        TokenKeyMalformed "token_key_malformed"
            remedy: "write each line as `<id 0-255> <64 hex digits>`",
        /// certificates below this trust set are accepted even if they are revoked
        RevocationOff "revocation_off"
            remedy: "name the CA's CRLs, and set revocation = \"require\"",
        /// the trust set names CRLs, but revocation is off
        CrlsUnused "crls_unused"
            remedy: "set revocation = \"require\", or remove the CRLs",
        /// an identity, peer or trust set is no longer active, since its not_after has passed
        WindowOver "window_over"
            remedy: "remove it, or move its not_after",
        /// the pins and stricter policies of a peer are only observed
        StageObserved "stage_observed"
            remedy: "set stage = \"enforce\" when the log shows no would_refuse",
        /// no peer and no listener names this trust set
        TrustUnused "trust_unused"
            remedy: "name it, or remove it",
        /// the local certificate may not act as a TLS client
        ClientPurposeMissing "client_purpose_missing"
            remedy: "have it reissued with clientAuth, or give the identity a client certificate",
        /// the local certificate may not act as a TLS server
        ServerPurposeMissing "server_purpose_missing"
            remedy: "have it reissued with serverAuth",
        /// the local certificate has sip URIs, and the FQDN is not among them
        FqdnHiddenByUri "fqdn_hidden_by_uri"
            remedy: "have it reissued with the FQDN as a sip URI too, or without sip URIs",
        /// siblings list this node by its FQDN, and an identity that they see does not carry it: they refuse it
        SiblingSeesNoFqdn "sibling_sees_no_fqdn"
            remedy: "have the certificate reissued with node.fqdn as a dNSName too, or name another `identity` in [[sibling]]",
        /// the identity that is shown to a home server carries none of the names by which this node is announced
        IdentityUnannounced "identity_unannounced"
            remedy: "have the certificate reissued with node.advertise or node.fqdn as a dNSName too, or name another `identity` in [[peer]]",
        /// a local certificate or an anchor expires within 30 days
        CertificateExpiresSoon "certificate_expires_soon"
            remedy: "renew it and reload",
        /// the local chain ends with a certificate whose issuer is not sent, and is no root that the file or this system
        /// has: clients and peers that lack the intermediate will refuse it
        ChainIncomplete "chain_incomplete"
            remedy: "append the issuer's certificate to the chain, and its issuer's, without the root",
        /// a local certificate is signed by itself: nothing vouches for it, and clients and peers will refuse it
        CertificateSelfSigned "certificate_self_signed"
            remedy: "have it issued by a CA that clients and peers trust",
        /// clients may connect to the listener, but no certificate that it shows has this home domain: phones that find
        /// the node by their SIP domain check for that name, not for the node's
        DomainNotInCertificate "domain_not_in_certificate" (rfc "RFC 5922 §7.3")
            remedy: "have the certificate issued with the domain as a further dNSName",
        /// limits.deny covers the address from where this node asks its own listener for its certificate after a reload
        DenyCoversNode "deny_covers_node"
            remedy: "leave loopback and the node's own addresses out of limits.deny",
        /// [http] address is 0.0.0.0 or [::]: whoever reaches any address of this machine reads the figures and the page, on which
        /// refused users and addresses stand
        HttpOpen "http_open"
            remedy: "write an address of loopback, or of a network of its own; otherwise keep others away by a packet filter",
        /// the listener's address is `[::]`, which here takes IPv6 alone, and no other listener has the port for IPv4
        ListenerIpv6Only "listener_ipv6_only"
            remedy: "add a [[listener]] on 0.0.0.0 with the same port, unless nobody comes over IPv4",
        /// a root or cross-certificate of a local chain is not valid, and is not needed
        ChainCertificateOver "chain_certificate_over"
            remedy: "remove it from the chain",
        /// a file with a secret can be read by every user, or written by others
        KeyReadableByOthers "key_readable_by_others"
            remedy: "chmod 600 the file",
        /// route tokens are signed with a key of this run only
        TokenKeysMissing "token_keys_missing"
            remedy: "name a `key_file` in [tokens], so that dialogs outlive a restart",
        /// weights are given, but the pool's strategy does not use them
        WeightsUnused "weights_unused"
            remedy: "remove them, or set strategy = \"weighted\"",
        /// a domain of a peer is denied to it, or to all
        DomainDeniedToPeer "domain_denied_to_peer"
            remedy: "remove the domain from the peer or from the deny list",
        /// a home peer has `anonymous`, which it does not need
        AnonymousUnused "anonymous_unused"
            remedy: "remove the key",
        /// a peer says how DNS is asked, but DNS is not asked for it
        DnsUnused "dns_unused"
            remedy: "remove the key, or the peer's `address`",
        /// priorities are given, but the pool's strategy does not use them
        PrioritiesUnused "priorities_unused"
            remedy: "remove them, or set strategy = \"ordered\"",
        /// a bound can never be reached, since what it counts is a part of what a smaller one counts
        BoundNeverReached "bound_never_reached"
            remedy: "make it smaller than the other one, or remove it",
        /// every member of a pool is draining: no member accepts new requests
        PoolDrained "pool_drained"
            remedy: "remove a member from the pool's `drain`",
        /// no listener accepts clients, and no peer is federated
        NoListenerForClients "no_listener_for_clients"
            remedy: "add \"client\" to `accept` of a listener, if there are to be clients",
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
