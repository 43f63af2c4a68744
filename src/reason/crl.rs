//! The reasons for which a CRL is not used or not fetched.
use super::TrustReason;

/// How to see what a CRL says.
const CHECK: &str =
    "sipward crls lists those that are held; openssl crl -in FILE -noout -text shows one";
/// How to see what a distribution point answers.
const FETCH: &str =
    "curl -v URI from this machine; `uri` and `detail` of the event crl_fetch_failed";

reasons! {
    /// Why a CRL is not used, or does not replace the one in force.
    pub enum CrlReason of Crl {
        Unreadable "crl_unreadable" {
            what: "the file or directory cannot be read, or is larger than is read",
            check: CHECK,
            remedy: "put the file in place, readable by the user sipward runs as, at most 64 MiB",
            rfc: "RFC 5280 §6.3",
        }
        TooMany "crl_too_many" {
            what: "a trust set has more CRL files or CRLs than are read, or too many wait for their issuer's key",
            check: CHECK,
            remedy: "keep at most 256 CRL files with 1024 CRLs, 256 MiB together, for one trust set",
            rfc: "RFC 5280 §6.3",
        }
        Malformed "crl_malformed" {
            what: "it is not a v2 CRL in PEM or DER",
            check: CHECK,
            remedy: "fetch the CRL from the CA anew (openssl crl -in FILE -text shows it)",
            rfc: "RFC 5280 §5.1",
        }
        NoNextUpdate "crl_without_next_update" {
            what: "it does not say until when it is current",
            check: CHECK,
            remedy: "have the CA issue CRLs with nextUpdate",
            rfc: "RFC 5280 §5.1.2.5",
        }
        Delta "crl_delta" {
            what: "it lists only what changed since another CRL",
            check: CHECK,
            remedy: "name the complete CRL instead",
            rfc: "RFC 5280 §5.2.4",
        }
        Indirect "crl_indirect" {
            what: "it speaks for certificates of other issuers",
            check: CHECK,
            remedy: "name the CRL that the certificates' own issuer signs",
            rfc: "RFC 5280 §5.2.5",
        }
        SomeReasons "crl_some_reasons" {
            what: "it covers some reasons of revocation only",
            check: CHECK,
            remedy: "name a CRL that covers all reasons",
            rfc: "RFC 5280 §5.2.5",
        }
        ScopeUnsupported "crl_scope_unsupported" {
            what: "its scope is attribute certificates, or is named relative to its issuer",
            check: CHECK,
            remedy: "name a CRL for certificates whose distribution point has a full name",
            rfc: "RFC 5280 §5.2.5",
        }
        UnknownCritical "crl_unknown_critical" {
            what: "it holds a critical extension that is not understood",
            check: CHECK,
            remedy: "have the CA issue CRLs without that extension",
            rfc: "RFC 5280 §5.2",
        }
        Older "crl_older" {
            what: "its CRL number or thisUpdate is lower than that of one that this issuer's key was proven to have signed",
            check: CHECK,
            remedy: "put the current CRL in place; somebody may be rolling a revocation back. If the CA was restored with lower numbers: sipward crls, then sipward crls forget ID",
            rfc: "RFC 5280 §5.2.3",
        }
    }
    shared {
        UnsupportedSignature = TrustReason::CrlUnsupportedSignature,
        BadSignature = TrustReason::CrlBadSignature,
        SignerUnfit = TrustReason::CrlSignerUnfit,
        Future = TrustReason::CrlFromFuture,
    }
}

reasons! {
    /// Why a CRL could not be fetched from a distribution point.
    pub enum FetchReason of Fetch {
        Unreachable "unreachable" {
            what: "no connection to the distribution point could be made",
            check: FETCH,
            remedy: "fix the network or the name server; the CRL in force stays until then",
        }
        FetchTimeout "fetch_timeout" {
            what: "the distribution point did not answer in time",
            check: FETCH,
            remedy: "fix the network or the server; the CRL in force stays until then",
            former: ["timeout"],
        }
        HttpStatus "http_status" {
            what: "the distribution point answered with another HTTP status than 200",
            check: FETCH,
            remedy: "ask the CA where its CRL is published",
            former: ["status"],
        }
        FetchTooLarge "fetch_too_large" {
            what: "the distribution point's answer is larger than a CRL file may be",
            check: FETCH,
            remedy: "name the CRL as a file of at most 64 MiB",
            former: ["too_large"],
        }
        NotHttp "not_http" {
            what: "the distribution point's answer is not HTTP",
            check: FETCH,
            remedy: "ask the CA where its CRL is published",
        }
        SpecialAddress "special_address" {
            what: "the distribution point's name resolves to an address of this network or machine, and such an address is only asked where the topology permits it",
            check: FETCH,
            remedy: "if that server is meant to be asked, list its host in `crl_fetch_local`",
        }
    }
}
