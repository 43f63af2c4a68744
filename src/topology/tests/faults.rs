//! Every code provoked by one change to a good topology, and how faults are reported.
use super::*;
use std::path::Path;

/// One change to the good topology: what is found, at the line of which text, with which words in it.
pub(super) struct Case {
    pub(super) code: TopologyReason,
    pub(super) edits: &'static [(&'static str, &'static str)],
    /// Empty: the finding is about the whole file, or another file.
    line: &'static str,
    pub(super) says: &'static str,
}

const fn case(
    code: TopologyReason,
    edits: &'static [(&'static str, &'static str)],
    line: &'static str,
    says: &'static str,
) -> Case {
    Case {
        code,
        edits,
        line,
        says,
    }
}

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    case(TopologyReason::Syntax, &[("fqdn = \"edge01.contoso.test\"", "fqdn = edge01.contoso.test")], "fqdn = edge01", "not TOML"),
    case(TopologyReason::UnknownKey, &[("address = [\"10", "adress = [\"10")], "adress", "`adress` in [[peer]]; did you mean `address`?"),
    case(TopologyReason::UnknownKey, &[("[limits]", "[limit]")], "[limit]", "section or key `limit`; did you mean `limits`?"),
    case(TopologyReason::UnknownKey, &[("handshakes = 100", "handshake = 100")], "handshake =", "did you mean `handshakes`?"),
    case(TopologyReason::UnknownKey, &[("grace = \"6h\"", "grace = \"6h\", zzz = 1")], "zzz", "`zzz` in [[trust]] revocation"),
    case(TopologyReason::WrongType, &[("domains = [\"contoso.test\"]", "domains = \"contoso.test\"")], "domains", "[node] domains is a string, not a list of strings"),
    case(TopologyReason::WrongType, &[("handshakes = 100", "handshakes = \"many\"")], "handshakes", "[limits] handshakes is a string, not a whole number"),
    case(TopologyReason::WrongType, &[("name = \"front-end\"", "name = \"\"")], "name = \"\"", "is empty"),
    case(TopologyReason::WrongType, &[("[log]", "[[log]]")], "[[log]]", "must be written as [log]"),
    case(TopologyReason::WrongType, &[("[\"client\", \"peer\"]", "[\"client\", 5]")], "[\"client\", 5]", "an entry of [[listener]] accept is an integer"),
    case(TopologyReason::UnknownWord, &[("\"weighted\"", "\"wieghted\"")], "wieghted", "did you mean `weighted`?"),
    case(TopologyReason::UnknownWord, &[("scope = \"leaf\"", "scope = \"leaf\"\n[[trust]]\nname = \"x\"\nanchors = \"fabrikam-ca.pem\"\ncrls = [\"fabrikam-ca.crl.pem\"]\nrevocation = \"no\"")], "\"no\"", "revocation does not know \"no\""),
    case(TopologyReason::MissingKey, &[("kind = \"federated\"", "")], "[[peer]]\nfqdn = \"edge.fab", "[[peer]] has no `kind`"),
    case(TopologyReason::MissingKey, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\nclient_certificate = \"edge.chain.pem\"")], "client_certificate", "no `client_private_key`"),
    case(TopologyReason::EmptyList, &[("peers = [\"fe01.contoso.test\", \"fe02.contoso.test\"]", "peers = []"), (POOL_END, "")], "peers = []", "pool \"front-end\" peers is an empty list"),
    case(TopologyReason::EmptyList, &[("accept = [\"client\", \"peer\"]", "accept = []")], "accept", "accept is an empty list"),
    case(TopologyReason::EmptyList, &[("trust = [\"fabrikam-ca\"]", "trust = []")], "trust = []", "trust is an empty list"),
    case(TopologyReason::InvalidName, &[("fqdn = \"edge.fabrikam.test\"", "fqdn = \"10.0.0.1\"")], "10.0.0.1\"\nkind", "\"10.0.0.1\" is not a name"),
    case(TopologyReason::InvalidName, &[("[\"fabrikam.test\"]", "[\"büro.test\"]")], "büro", "is not a name"),
    case(TopologyReason::InvalidAddress, &[("127.0.0.1:5061", "localhost:5061")], "localhost", "not an address to listen on"),
    case(TopologyReason::InvalidAddress, &[("10.0.0.11:5061", "10.0.0.11:0")], "10.0.0.11:0", "not an address to dial"),
    case(TopologyReason::InvalidDuration, &[("\"6h\"", "\"6\"")], "\"6\"", "grace = \"6\""),
    case(TopologyReason::InvalidDuration, &[("handshakes = 100", "drain = 10")], "drain", "limits.drain"),
    case(TopologyReason::InvalidSize, &[("handshakes = 100", "head_bytes = \"64K\"")], "head_bytes", "limits.head_bytes"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = 0")], "handshakes", "limits.handshakes = 0"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = -5")], "handshakes", "limits.handshakes = -5"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "drain = \"2h\"")], "drain", "limits.drain"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "backoff_min = \"1m\"")], "backoff_min", "longer than limits.backoff_max"),
    case(TopologyReason::OutOfRange, &[("handshakes = 100", "handshakes = 99999999999999999999")], "handshakes", "out of range"),
    case(TopologyReason::OutOfRange, &[("= 3 }", "= 0 }")], "weights", "weights of \"fe02.contoso.test\" = 0 is out of range"),
    case(TopologyReason::OutOfRange, &[("\"6h\"", "\"0s\"")], "\"0s\"", "grace"),
    case(TopologyReason::OutOfRange, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\nshards = 0\n")], "shards", "node.shards = 0"),
    case(TopologyReason::OutOfRange, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\nshards = 65\n")], "shards", "node.shards = 65"),
    case(TopologyReason::OutOfRange, &[(POOL_END, "health = { up_after = 0 }")], "health", "up_after = 0"),
    case(TopologyReason::InvalidDuration, &[("[limits]", "[admin]\nwatch = \"soon\"\n[limits]")], "watch", "admin.watch"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[admin]\nwatch = \"1ms\"\n[limits]")], "watch", "admin.watch"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[admin]\nsocket = \"/run/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345/s\"\n[limits]")], "socket", "a socket's path at most 107"),
    case(TopologyReason::InvalidTime, &[("kind = \"federated\"", "kind = \"federated\"\nnot_after = \"tomorrow\"")], "tomorrow", "peer \"edge.fabrikam.test\" not_after = tomorrow"),
    case(TopologyReason::InvalidTime, &[("scope = \"leaf\"", "scope = \"leaf\"\nnot_before = 2026-12-01")], "2026-12-01", "not_before = 2026-12-01 cannot be read"),
    case(TopologyReason::InvalidTime, &[("reason = \"not_in", "at = \"noon\"\nreason = \"not_in")], "noon", "[[expect]] at"),
    case(TopologyReason::WrongType, &[("kind = \"federated\"", "kind = \"federated\"\nnot_after = 5")], "not_after", "is an integer, not a time"),
    case(TopologyReason::WindowEmpty, &[("kind = \"federated\"", "kind = \"federated\"\nnot_before = 2098-01-01T00:00:00Z\nnot_after = 2097-01-01T00:00:00Z")], "not_after", "lies before not_before"),
    case(TopologyReason::WindowOver, &[("scope = \"leaf\"", "scope = \"leaf\"\nnot_after = \"2020-01-01T00:00:00Z\"")], "not_after", "trust \"fabrikam-ca\" counts as absent since 2020"),
    case(TopologyReason::IdentityGap, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\nnot_after = 2098-01-01T00:00:00Z")], "[[identity]]", "from 2098-01-01T00:00:01Z on listener \"edge\" has no identity to show"),
    case(TopologyReason::StageObserved, &[("kind = \"federated\"", "kind = \"federated\"\nstage = \"observe\"")], "stage", "its pins refuse nobody"),
    case(TopologyReason::PinMalformed, &[("kind = \"federated\"", "kind = \"federated\"\npins = [\"abcd\"]")], "pins", "\"abcd\" is not a SHA-256"),
    case(TopologyReason::UnknownReference, &[("reason = \"not_in", "peer = \"fe9.contoso.test\"\nreason = \"not_in")], "fe9", "[[expect]] names the peer \"fe9.contoso.test\""),
    case(TopologyReason::UnknownReference, &[("peers = [\"fe01.contoso", "peers = [\"fe1.contoso")], "peers = ", "did you mean `fe01.contoso.test`?"),
    case(TopologyReason::UnknownReference, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabricam-ca\"]")], "fabricam-ca", "did you mean `fabrikam-ca`?"),
    case(TopologyReason::UnknownReference, &[("identity = \"edge\"", "identity = \"egde\"")], "egde", "listener \"edge\" names the identity \"egde\""),
    case(TopologyReason::UnknownReference, &[("identity = \"edge\"", "sni = [\"egde\"]")], "egde", "did you mean `edge`?"),
    case(TopologyReason::UnknownReference, &[("kind = \"federated\"", "kind = \"federated\"\nidentity = \"egde\"")], "egde", "peer \"edge.fabrikam.test\" names"),
    case(TopologyReason::UnknownReference, &[("{ \"fe02", "{ \"edge.fabrikam.test\" = 1, \"fe02")], "weights", "not in its peers"),
    case(TopologyReason::OutOfRange, &[("fqdn = \"fe02.contoso.test\"", "connections = 17\nfqdn = \"fe02.contoso.test\"")], "connections", "connections = 17"),
    case(TopologyReason::InvalidDuration, &[("fqdn = \"fe02.contoso.test\"", "keepalive = \"30\"\nfqdn = \"fe02.contoso.test\"")], "keepalive", "cannot be read"),
    case(TopologyReason::OutOfRange, &[("fqdn = \"fe02.contoso.test\"", "keepalive = \"2h\"\nfqdn = \"fe02.contoso.test\"")], "keepalive", "is out of range"),
    case(TopologyReason::InvalidAddress, &[("[limits]", "[dns]\nservers = [\"ns1\"]\n[limits]")], "servers", "is not an address"),
    case(TopologyReason::DuplicateName, &[("[limits]", "[dns]\nservers = [\"192.0.2.53\", \"192.0.2.53:53\"]\n[limits]")], "servers", "is there twice"),
    case(TopologyReason::InvalidDuration, &[("[limits]", "[dns]\ntimeout = \"2\"\n[limits]")], "timeout = \"2\"", "cannot be read"),
    case(TopologyReason::OutOfRange, &[("[limits]", "[dns]\nstale = \"8d\"\n[limits]")], "stale", "is out of range"),
    case(TopologyReason::UnknownReference, &[(POOL_END, "drain = [\"edge.fabrikam.test\"]")], "drain", "which is not in its peers"),
    case(TopologyReason::DuplicateName, &[("fqdn = \"fe02.contoso.test\"", "fqdn = \"fe01.contoso.test\""), (", \"fe02.contoso.test\"]", "]"), (POOL_END, "")], "fqdn = \"fe01.contoso.test\"", "defined twice, first in line"),
    case(TopologyReason::DuplicateName, &[("name = \"fabrikam-ca\"", "name = \"enterprise-ca\""), ("trust = [\"fabrikam-ca\"]", "trust = [\"enterprise-ca\"]")], "name = \"enterprise-ca\"\nanchors = \"fabrikam", "trust \"enterprise-ca\""),
    case(TopologyReason::DuplicateName, &[(", \"fe02.contoso.test\"]", ", \"FE01.contoso.test\"]"), (POOL_END, "")], "peers = ", "is there twice"),
    case(TopologyReason::DuplicateListenerAddress, &[("[[peer]]", "[[listener]]\nname = \"second\"\naddress = \"0.0.0.0:5061\"\n[[peer]]")], "address = \"0.0.0.0", "listener \"second\" wants 0.0.0.0:5061"),
    case(TopologyReason::DuplicateSni, &[(IDENTITY_END, "private_key = \"edge.key.pem\"\n[[identity]]\nname = \"twin\"\ncertificate = \"twin.chain.pem\"\nprivate_key = \"twin.key.pem\"")], "[[listener]]", "edge01.contoso.test is carried by the identities \"edge\" and \"twin\""),
    case(TopologyReason::FileMissing, &[("enterprise-ca.crl.pem", "none.crl.pem")], "none.crl.pem", "none.crl.pem does not exist"),
    case(TopologyReason::FileUnreadable, &[("\"enterprise-ca.pem\"", "\"directory.pem\"")], "directory.pem", "directory.pem cannot be read"),
    case(TopologyReason::PemMalformed, &[("\"edge.key.pem\"", "\"garbage.pem\"")], "garbage.pem", "it holds no private key"),
    case(TopologyReason::PemMalformed, &[("\"edge.chain.pem\"", "\"garbage.pem\"")], "garbage.pem", "it holds no certificate"),
    case(TopologyReason::PemMalformed, &[("\"fabrikam-ca.pem\"", "\"broken.pem\"")], "broken.pem", "certificate number 1 cannot be parsed"),
    case(TopologyReason::InvalidDuration, &[("scope = \"leaf\"", "crl_refresh = \"often\"")], "crl_refresh", "crl_refresh = \"often\" cannot be read"),
    case(TopologyReason::OutOfRange, &[("scope = \"leaf\"", "crl_refresh = \"2d\"")], "crl_refresh", "crl_refresh = \"2d\" is out of range"),
    case(TopologyReason::OutOfRange, &[("scope = \"leaf\"", "crl_refresh = \"off\"\ncrl_fetch = true")], "crl_fetch", "its crl_refresh is off"),
    case(TopologyReason::KeyMismatch, &[("\"edge.key.pem\"", "\"other.key.pem\"")], "other.key.pem", "does not belong"),
    case(TopologyReason::ChainOrder, &[("\"edge.chain.pem\"", "\"disordered.chain.pem\"")], "disordered", "was issued by"),
    case(TopologyReason::CertificateExpired, &[("\"edge.chain.pem\"", "\"expired.chain.pem\""), ("edge.key", "expired.key")], "expired.chain", "expired at"),
    case(TopologyReason::CertificateExpired, &[("\"edge.chain.pem\"", "\"lapsed.chain.pem\""), ("edge.key", "lapsed.key")], "lapsed.chain", "CN=Contoso Issuing\" expired at"),
    case(TopologyReason::CertificateNotYetValid, &[("\"edge.chain.pem\"", "\"future.chain.pem\""), ("edge.key", "future.key")], "future.chain", "is not valid before"),
    case(TopologyReason::IdentityWithoutFqdn, &[("\"edge.chain.pem\"", "\"other.chain.pem\""), ("edge.key", "other.key")], "[[listener]]", "its certificates are for sip.contoso.test"),
    case(TopologyReason::CrlRequired, &[("crls = [\"enterprise-ca.crl.pem\"]", "")], "[[trust]]", "names none"),
    case(TopologyReason::PeerIsNode, &[("fqdn = \"edge.fabrikam.test\"", "fqdn = \"Edge01.contoso.test\"")], "fqdn = \"Edge01", "has the name of this node"),
    case(TopologyReason::PeerWithoutDomains, &[("domains = [\"fabrikam.test\"]", "")], "[[peer]]\nfqdn = \"edge.fab", "has no domains"),
    case(TopologyReason::DomainNotHome, &[("fqdn = \"fe02.contoso.test\"", "fqdn = \"fe02.contoso.test\"\ndomains = [\"x.test\"]")], "domains = [\"x.test\"]", "x.test is not in node.domains"),
    case(TopologyReason::DomainNotHome, &[("domains = [\"contoso.test\"]\npeers", "domains = [\"contoso.test\", \"x.test\"]\npeers")], "[[pool]]", "sends x.test to home servers"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"fabrikam.test\", \"contoso.test\"]")], "domains = [\"fabrikam", "contoso.test is a home domain"),
    case(TopologyReason::DomainWithoutPool, &[("domains = [\"contoso.test\"]", "domains = [\"contoso.test\", \"x.test\"]")], "", "x.test has no pool"),
    case(TopologyReason::DomainRoutedTwice, &[("[limits]", "[[pool]]\nname = \"again\"\ndomains = [\"contoso.test\"]\npeers = [\"fe02.contoso.test\"]\n[limits]")], "[[pool]]\nname = \"again", "\"front-end\" and \"again\""),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"*.test\"]")], "[\"*.test", "*.test of the federated peer \"edge.fabrikam.test\" covers"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"*.contoso.test\"]")], "[\"*.contoso", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"fabrikam.test\", \"Fe02.contoso.test\"]")], "[\"fabrikam.test\", \"Fe02", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("[\"fabrikam.test\"]", "[\"edge01.contoso.test\"]")], "[\"edge01", "covers a home domain, a home server or this node"),
    case(TopologyReason::DomainHomeAndFederated, &[("domains = [\"contoso.test\"]\n", "domains = [\"contoso.test\"]\naliases = [\"192.0.2.9\"]\n"), ("[\"fabrikam.test\"]", "[\"192.0.2.9\"]")], "domains = [\"192.0.2.9", "this node"),
    case(TopologyReason::DomainNotHome, &[("[\"contoso.test\"]\npeers", "[\"contoso.test\", \"*.contoso.test\"]\npeers")], "[[pool]]", "*.contoso.test"),
    case(TopologyReason::InvalidName, &[("domains = [\"contoso.test\"]", "domains = [\"contoso.test\", \"*.contoso.test\"]")], "*.contoso.test", "is not a name"),
    case(TopologyReason::InvalidName, &[("[\"fabrikam.test\"]", "[\"192.0.2.1:5061\"]")], "192.0.2.1:5061", "is not a name"),
    case(TopologyReason::DuplicateName, &[("[\"fabrikam.test\"]", "[\"2001:db8::1\", \"[2001:DB8:0::1]\"]")], "2001:db8::1", "is there twice"),
    case(TopologyReason::AnonymousUnused, &[("fqdn = \"fe02.contoso.test\"", "anonymous = true\nfqdn = \"fe02.contoso.test\"")], "anonymous", "a home server"),
    case(TopologyReason::DnsUnused, &[("domains = [\"fabrikam.test\"]", "dns = \"federation\"\ndomains = [\"*.fabrikam.test\", \"192.0.2.1\"]")], "dns", "no domains"),
    case(TopologyReason::DomainNotOfMember, &[("[limits]", "[[pool]]\nname = \"out\"\ndomains = [\"x.test\"]\npeers = [\"edge.fabrikam.test\"]\n[limits]")], "[[pool]]\nname = \"out", "does not list that domain"),
    case(TopologyReason::PoolMixedKinds, &[(", \"fe02.contoso.test\"]", ", \"edge.fabrikam.test\"]"), (POOL_END, "")], "[[pool]]", "mixes"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.bad\"")], "", "not a token key"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.three\"")], "", "more than two keys"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.twice\"")], "", "id 2 is there twice"),
    case(TopologyReason::TokenKeyMalformed, &[("\"tokens\"", "\"tokens.empty\"")], "", "no key in it"),
    case(TopologyReason::HomeDomainDenied, &[("[log]", "[boundary]\ndeny_domains = [\"evil.test\", \"test\"]\n[log]")], "deny_domains", "denies the home domain contoso.test"),
    case(TopologyReason::UnknownWord, &[("[log]", "[boundary]\nclients = { strip_in = [\"P-Asserted-Identiy\"] }\n[log]")], "clients", "did you mean `P-Asserted-Identity`?"),
    case(TopologyReason::DuplicateName, &[("[log]", "[boundary]\nhome = { strip_in = [\"Diversion\"], keep_in = [\"Diversion\"] }\n[log]")], "home =", "strip_in and keep_in \"Diversion\" is there twice"),
    case(TopologyReason::DuplicateName, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabrikam-ca\"]\nfields = { keep_out = [\"ms-*\", \"ms-*\"] }")], "fields", "keep_out \"ms-*\" is there twice"),
    case(TopologyReason::RevocationOff, &[("crls = [\"enterprise-ca.crl.pem\"]", "revocation = \"off\"")], "revocation = \"off\"", "revocation off"),
    case(TopologyReason::CrlsUnused, &[("revocation = { grace = \"6h\" }", "revocation = \"off\"")], "[[trust]]\nname = \"fab", "no effect"),
    case(TopologyReason::CrlsUnused, &[("revocation = { grace = \"6h\" }", "revocation = \"off\"\ncrl_fetch = true")], "crl_fetch", "none is fetched"),
    case(TopologyReason::TrustUnused, &[("trust = [\"fabrikam-ca\"]", "trust = [\"enterprise-ca\"]")], "[[trust]]\nname = \"fab", "vouches for nobody"),
    case(TopologyReason::ClientPurposeMissing, &[("\"edge.chain.pem\"", "\"server.chain.pem\""), ("edge.key", "server.key")], "server.chain", "lacks clientAuth"),
    case(TopologyReason::ServerPurposeMissing, &[("\"edge.chain.pem\"", "\"client.chain.pem\""), ("edge.key", "client.key")], "client.chain", "lacks serverAuth"),
    case(TopologyReason::FqdnHiddenByUri, &[("\"edge.chain.pem\"", "\"uri.chain.pem\""), ("edge.key", "uri.key")], "uri.chain", "sip:contoso.test"),
    case(TopologyReason::CertificateExpiresSoon, &[("\"edge.chain.pem\"", "\"soon.chain.pem\""), ("edge.key", "soon.key")], "soon.chain", "in 10 days"),
    case(TopologyReason::ChainCertificateOver, &[("\"edge.chain.pem\"", "\"crossed.chain.pem\""), ("edge.key", "crossed.key")], "crossed.chain", "behind the leaf is valid from"),
    case(TopologyReason::ChainCertificateOver, &[("\"edge.chain.pem\"", "\"doubled.chain.pem\""), ("edge.key", "doubled.key")], "doubled.chain", "\"CN=Contoso Issuing\" behind the leaf"),
    case(TopologyReason::KeyReadableByOthers, &[("\"edge.key.pem\"", "\"open.key.pem\"")], "open.key", "mode 0644"),
    case(TopologyReason::TokenKeysMissing, &[("[tokens]\nkey_file = \"tokens\"\n", "")], "", "random key"),
    case(TopologyReason::WeightsUnused, &[("strategy = \"weighted\"", "strategy = \"ordered\"")], "weights", "its strategy is ordered"),
    case(TopologyReason::DomainDeniedToPeer, &[("trust = [\"fabrikam-ca\"]", "trust = [\"fabrikam-ca\"]\ndeny = [\"fabrikam.test\"]")], "[[peer]]\nfqdn = \"edge.fab", "fabrikam.test is denied"),
    case(TopologyReason::DnsUnused, &[("fqdn = \"fe02.contoso.test\"", "dns = \"sip\"\naddress = [\"192.0.2.1\"]\nfqdn = \"fe02.contoso.test\"")], "dns", "these are dialled"),
    case(TopologyReason::DnsUnused, &[("fqdn = \"fe02.contoso.test\"", "dns = \"federation\"\nfqdn = \"fe02.contoso.test\"")], "dns", "no domains"),
    case(TopologyReason::PrioritiesUnused, &[(POOL_END, "priorities = { \"fe02.contoso.test\" = 2 }"), ("strategy = \"weighted\"", "strategy = \"call-id-hash\"")], "priorities", "its strategy is call-id-hash"),
    case(TopologyReason::PoolDrained, &[(POOL_END, "drain = [\"fe02.contoso.test\", \"fe01.contoso.test\"]")], "drain", "names every member"),
    case(TopologyReason::NoClientsHere, &[("accept = [\"client\", \"peer\"]", "accept = [\"peer\"]\nclient_certificates = \"ignore\"")], "client_certificates = ", "accepts no clients"),
    case(TopologyReason::ClientTrustUnused, &[("accept = [\"client\", \"peer\"]", "accept = [\"client\", \"peer\"]\nclient_trust = [\"fabrikam-ca\"]")], "client_trust = ", "requires no certificate"),
    case(TopologyReason::NoListenerForClients, &[("accept = [\"client\", \"peer\"]", "accept = [\"peer\"]"), ("[[peer]]\nfqdn = \"edge.fabrikam.test\"\nkind = \"federated\"\ndomains = [\"fabrikam.test\"]\ntrust = [\"fabrikam-ca\"]\n", "")], "", "no listener accepts clients"),
];

#[test]
fn every_code_is_found_at_its_line_and_alone() {
    let lab = Lab::new();
    for case in CASES {
        let text = edited(case.edits);
        let findings = match (lab.load(&text), case.code.severity()) {
            (Err(faults), Severity::Fault) => faults,
            (Ok(topology), Severity::Warning) => topology.warnings,
            (Err(faults), Severity::Warning) => panic!("{:?}: {}", case.code, shown(&faults)),
            (Ok(_), Severity::Fault) => panic!("{:?} with {} was not found", case.code, case.says),
        };
        let all = shown(&findings);
        let of_code = findings.iter().filter(|f| f.code == case.code.code());
        let finding = of_code.clone().find(|f| f.what.contains(case.says));
        let finding =
            finding.unwrap_or_else(|| panic!("{:?} \"{}\" not in\n{all}", case.code, case.says));
        if case.code.severity() == Severity::Fault {
            assert_eq!(
                findings.len(),
                of_code.count(),
                "{:?} brings others with it:\n{all}",
                case.code
            );
        }
        if !case.line.is_empty() {
            assert_eq!(finding.file, lab.path("topology.toml"));
            assert_eq!(
                finding.line,
                Some(line_of(&text, case.line)),
                "{:?}\n{all}",
                case.code
            );
        }
        assert!(!finding.remedy.is_empty());
    }
}

#[test]
fn every_code_of_the_table_has_a_case() {
    let provoked: HashSet<TopologyReason> = CASES.iter().map(|case| case.code).collect();
    let missing: Vec<&TopologyReason> = TopologyReason::ALL
        .iter()
        .filter(|code| !provoked.contains(code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn all_faults_come_at_once_in_the_order_of_lines() {
    let lab = Lab::new();
    let text = edited(&[
        ("fqdn = \"edge01", "fdqn = \"edge01"),
        (
            "name = \"edge\"\naddress",
            "name = \"edge\"\ncolour = \"red\"\naddress",
        ),
        ("\"edge.key.pem\"", "\"other.key.pem\""),
        ("kind = \"federated\"", "kind = \"federal\""),
        ("\"fabrikam-ca.crl.pem\"", "\"gone.pem\""),
        ("peers = [\"fe01", "peers = [\"fe1"),
        ("handshakes = 100", "handshakes = 0"),
        ("\"tokens\"", "\"tokens.bad\""),
    ]);
    let faults = lab.load(&text).err().unwrap();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(
        codes,
        [
            "unknown_key",
            "key_mismatch",
            "file_missing",
            "unknown_key",
            "unknown_word",
            "unknown_reference",
            "out_of_range",
            "token_key_malformed",
        ],
        "{}",
        shown(&faults)
    );
    assert_eq!(faults[7].file, lab.path("tokens.bad"));
    assert_eq!(faults[7].line, Some(2));
}

#[test]
fn several_syntax_errors_are_several_faults() {
    let lab = Lab::new();
    let faults = lab
        .load("[node\nfqdn = \n[[peer]]\nx = = 1\n")
        .err()
        .unwrap();
    let lines: HashSet<u32> = faults.iter().filter_map(|fault| fault.line).collect();
    assert!(faults.iter().all(|fault| fault.code == "syntax"));
    assert!(
        lines.contains(&1) && lines.contains(&4),
        "{}",
        shown(&faults)
    );
}

#[test]
fn a_file_that_is_empty_lacks_its_sections() {
    let lab = Lab::new();
    let faults = lab.load("").err().unwrap();
    let codes: HashSet<&str> = faults.iter().map(|fault| fault.code.code()).collect();
    assert_eq!(codes, HashSet::from(["missing_key"]));
    assert_eq!(faults.len(), 6, "{}", shown(&faults));
}

/// What a fuzzer found: peers and listeners that name no identity take the first, and there was none.
#[test]
fn a_file_that_lacks_any_kind_of_section_loads_or_says_so() {
    let lab = Lab::new();
    let sections: Vec<&str> = GOOD.split_inclusive("\n\n").collect();
    let header = |section: &str| section.lines().next().unwrap_or_default().to_owned();
    let kinds: HashSet<String> = sections.iter().map(|section| header(section)).collect();
    for named in ["", "identity = \"edge\"\n"] {
        for kind in &kinds {
            let kept = sections.iter().filter(|section| header(section) != *kind);
            let text = kept.copied().collect::<String>().replace(named, "");
            let needed = [
                "[node]",
                "[[identity]]",
                "[[trust]]",
                "[[listener]]",
                "[[peer]]",
                "[[pool]]",
            ];
            match lab.load(&text) {
                Ok(_) => assert!(!needed.contains(&kind.as_str()), "{kind} is not missed"),
                Err(faults) => {
                    let missing = faults
                        .iter()
                        .any(|f| f.code == "missing_key" && f.what.contains(kind));
                    assert!(missing, "without {kind}: {}", shown(&faults));
                }
            }
        }
    }
}

#[test]
fn a_missing_topology_file_is_a_fault_of_its_own() {
    let faults = load(Path::new("/nonexistent/topology.toml"), now())
        .err()
        .unwrap();
    assert_eq!((faults.len(), faults[0].code.code()), (1, "file_missing"));
    let lab = Lab::new();
    let faults = load(&lab.path("directory.pem"), now()).err().unwrap();
    assert_eq!(
        (faults.len(), faults[0].code.code()),
        (1, "file_unreadable")
    );
}

#[test]
fn no_token_key_is_ever_shown() {
    let lab = Lab::new();
    lab.write("tokens.secret", "1 5ec2e75ec2e75ec2e7\n");
    let text = edited(&[("\"tokens\"", "\"tokens.secret\"")]);
    let faults = lab.load(&text).err().unwrap();
    assert!(!shown(&faults).contains("5ec2e7"));
}
