//! The reasons for which a CRL is not used or not fetched.
use super::TrustReason;

/// How to see what a CRL says.
const CHECK: &str =
    "sipward crls lists the CRLs in force; openssl crl -in FILE -noout -text shows one";
/// How to see what a distribution point answers.
const FETCH: &str =
    "curl -v URI from this machine; `uri` and `detail` of the event crl_fetch_failed";

reasons! {
    /// Why a CRL is not used, or does not replace the one in force.
    pub enum CrlReason of Crl (check CHECK, remedy "") {
        /// the file or directory cannot be read, or is too large
        Unreadable "crl_unreadable" (rfc "RFC 5280 §6.3")
            remedy: "put the file in place, readable by the user sipward runs as, at most 64 MiB",
        /// the trust set has too many CRL files or CRLs, too many of them wait for their issuer's key, or that key has signed CRLs for too many scopes
        TooMany "crl_too_many" (rfc "RFC 5280 §6.3")
            remedy: "keep at most 256 CRL files with 1024 CRLs, 256 MiB together, for one trust set; sipward crls shows the scopes, of which a key has 512 at most",
        /// it is not a v2 CRL in PEM or DER
        Malformed "crl_malformed" (rfc "RFC 5280 §5.1")
            remedy: "fetch the CRL from the CA again (openssl crl -in FILE -text shows it)",
        /// it has more extensions or names, or longer names, than are read
        TooComplex "crl_too_complex" (rfc "RFC 5280 §5.2")
            remedy: "have the CA issue CRLs with at most 32 extensions, 16 in an entry, 64 distribution points of 1024 bytes each, and an issuer's name of 4096 bytes",
        /// it has no nextUpdate
        NoNextUpdate "crl_without_next_update" (rfc "RFC 5280 §5.1.2.5")
            remedy: "have the CA issue CRLs with nextUpdate",
        /// it is a delta CRL, which lists only what changed since another one
        Delta "crl_delta" (rfc "RFC 5280 §5.2.4")
            remedy: "name the complete CRL instead",
        /// it is an indirect CRL, which covers certificates of other issuers
        Indirect "crl_indirect" (rfc "RFC 5280 §5.2.5")
            remedy: "name the CRL that the certificates' own issuer signs",
        /// it covers only some reasons for revocation
        SomeReasons "crl_some_reasons" (rfc "RFC 5280 §5.2.5")
            remedy: "name a CRL that covers all reasons",
        /// its scope is attribute certificates, or is named relative to its issuer
        ScopeUnsupported "crl_scope_unsupported" (rfc "RFC 5280 §5.2.5")
            remedy: "name a CRL for certificates whose distribution point has a full name",
        /// it holds a critical extension that is not understood
        UnknownCritical "crl_unknown_critical" (rfc "RFC 5280 §5.2")
            remedy: "have the CA issue CRLs without that extension",
        /// its CRL number or thisUpdate is lower than that of a CRL that this issuer is known to have signed
        Older "crl_older" (rfc "RFC 5280 §5.2.3")
            remedy: "put the current CRL in place; somebody may be trying to undo a revocation. If the CA was restored with lower numbers: sipward crls, then sipward crls forget ID",
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
    pub enum FetchReason of Fetch (check FETCH, remedy "") {
        /// no connection to the distribution point could be made
        Unreachable "unreachable"
            remedy: "fix the network or the name server; the CRL in force stays until then",
        /// the distribution point did not answer in time
        FetchTimeout "fetch_timeout" (was "timeout")
            remedy: "fix the network or the server; the CRL in force stays until then",
        /// the distribution point answered with another HTTP status than 200
        HttpStatus "http_status" (was "status")
            remedy: "ask the CA where its CRL is published",
        /// the distribution point's answer is larger than a CRL file may be
        FetchTooLarge "fetch_too_large" (was "too_large")
            remedy: "name the CRL as a file of at most 64 MiB",
        /// the distribution point's answer is not HTTP
        NotHttp "not_http"
            remedy: "ask the CA where its CRL is published",
        /// the distribution point's name resolves to an address of this network or machine, and such
        /// addresses are asked only if the topology permits it
        SpecialAddress "special_address"
            remedy: "if that server is meant to be asked, list its host in `crl_fetch_local`",
        /// no issuer of a certificate that names the distribution point has signed what it answered
        NotSigned "not_signed"
            remedy: "ask the CA where its CRL is published; somebody on the way may have changed it. Of a CA with a new key a certificate must have come by, or its CRL be named as a file",
    }
}
