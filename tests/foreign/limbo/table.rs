//! Where `decide` and x509-limbo differ, and why that is meant.

/// The connection that a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// We dialled.
    Outbound,
    /// The peer connected.
    Inbound,
}

const BOTH: &[Way] = &[Way::Outbound, Way::Inbound];
const INBOUND: &[Way] = &[Way::Inbound];

/// Cases that differ for one reason: the rule, the connections, the ids.
pub(super) struct Difference {
    pub(super) why: &'static str,
    pub(super) ways: &'static [Way],
    pub(super) cases: &'static [&'static str],
}

impl Difference {
    /// Each case with each connection.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, Way)> {
        let ways = self.ways;
        self.cases
            .iter()
            .flat_map(move |id| ways.iter().map(move |way| (*id, *way)))
    }
}

const fn both(why: &'static str, cases: &'static [&'static str]) -> Difference {
    let ways = BOTH;
    Difference { why, ways, cases }
}

/// Differences that are meant.
pub(super) const MEANT: &[Difference] = &[
    both(
        "RFC 5922 §7.2 forbids wildcards, unless the peer's entry allows them",
        &[
            "webpki::nc::nc-permits-dns-san-pattern",
            "webpki::san::leftmost-wildcard-san",
        ],
    ),
    both(
        "RFC 5922 §7.1: an address, an e-mail address or a subject is no name of a SIP server",
        &[
            "rfc5280::nc::permitted-ipv4-match",
            "rfc5280::nc::permitted-ipv6-match",
            "rfc5280::nc::permitted-dn-match",
            "rfc5280::nc::nc-permits-email-exact",
            "rfc5280::nc::nc-permits-email-domain",
            "rfc5280::nc::nc-permits-email-literal-asterisk-exact-match",
            "rfc5280::nc::nc-permits-email-literal-double-asterisk",
            "rfc5280::nc::nc-permits-email-literal-mid-asterisk",
            "webpki::san::exact-localhost-ip-san",
        ],
    ),
    both(
        "a CA's certificate is no server's: whoever holds that key could issue for any name (authority_misuse)",
        &[
            "pathlen::validation-ignores-pathlen-in-leaf",
            "rfc5280::ca-as-leaf",
        ],
    ),
    both(
        "the bound on the length of a path is ours and fixed, not one of the case",
        &[
            "pathlen::max-chain-depth-0-exhausted",
            "pathlen::max-chain-depth-1-exhausted",
        ],
    ),
    both(
        "RFC 5280 §6.1.1 (d): an anchor is its own proof: its period, identifiers and flags are the operator's affair, whom check tells",
        &[
            "rfc5280::validity::expired-root",
            "rfc5280::ca-empty-subject",
            "rfc5280::root-non-critical-basic-constraints",
            "rfc5280::ski::root-missing-ski",
            "rfc5280::aki::cross-signed-root-missing-aki",
            "webpki::aki::root-with-aki-missing-keyidentifier",
            "webpki::aki::root-with-aki-authoritycertissuer",
            "webpki::aki::root-with-aki-authoritycertserialnumber",
            "webpki::aki::root-with-aki-all-fields",
            "webpki::aki::root-with-aki-ski-mismatch",
            "webpki::eku::root-has-eku",
        ],
    ),
    both(
        "RFC 5280 §4.2.1.1 and §4.2.1.2: key identifiers help to find an issuer, whose signature is what counts; to write them is the issuer's duty",
        &[
            "rfc5280::aki::leaf-missing-aki",
            "rfc5280::aki::intermediate-missing-aki",
            "rfc5280::ski::intermediate-missing-ski",
        ],
    ),
    both(
        "RFC 5280 §4.2: an extension that is understood counts, critical or not; which it shall be is the issuer's duty",
        &[
            "crl::crlnumber-critical",
            "rfc5280::nc::permitted-dns-match-noncritical",
            "rfc5280::pc::ica-noncritical-pc",
            "rfc5280::san::noncritical-with-empty-subject",
            "webpki::eku::ee-critical-eku",
            "webpki::san::san-critical-with-nonempty-subject",
        ],
    ),
    both(
        "RFC 5280 §5.2.3: the CRL number is the issuer's duty; without one thisUpdate tells which of two CRLs is newer",
        &["crl::crlnumber-missing"],
    ),
    both(
        "RFC 5280 §4.1.2.2: a serial number of 1 to 20 octets is the issuer's duty",
        &["rfc5280::serial::too-long", "rfc5280::serial::zero"],
    ),
    both(
        "RFC 5280 §6.1.5 looks at no CA extension of the last certificate: without cA it can issue nothing, whatever else it says",
        &[
            "rfc5280::leaf-ku-keycertsign",
            "rfc5280::nc::not-allowed-in-ee-critical",
            "rfc5280::nc::not-allowed-in-ee-noncritical",
        ],
    ),
    both(
        "a dNSName constraint with a leading period stands for the names below it, as in every program in use; RFC 5280 §4.2.1.10 is silent",
        &["rfc5280::nc::invalid-dnsname-leading-period"],
    ),
    both(
        "a rule of the CA/Browser Forum for issuers: the CN is not looked at where there is a subjectAltName (RFC 5922 §7.1)",
        &[
            "webpki::cn::punycode-not-in-san",
            "webpki::cn::utf8-vs-punycode-mismatch",
            "webpki::cn::not-in-san",
            "webpki::cn::case-mismatch",
        ],
    ),
    both(
        "a rule of the CA/Browser Forum for issuers: authorityInfoAccess is not looked at",
        &["webpki::malformed-aia"],
    ),
    both(
        "a rule of the CA/Browser Forum for issuers: RFC 9325 §4.5 wants RSA keys of 2048 bits or more, not multiples of eight",
        &[
            "webpki::forbidden-rsa-not-divisible-by-8-in-root",
            "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        ],
    ),
    both(
        "RFC 5280 §4.2.1.12: no extended key usage, or any, permits every purpose",
        &["webpki::eku::ee-anyeku", "webpki::eku::ee-without-eku"],
    ),
    Difference {
        why: "a listed server that connects is a TLS client: clientAuth serves it, and not the server that was dialled",
        ways: INBOUND,
        cases: &["rfc5280::eku::ee-wrong-eku"],
    },
];

/// Differences that are faults of sipward and not mended yet. Must be empty.
pub(super) const FAULTS: &[Difference] = &[];
