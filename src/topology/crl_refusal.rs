//! Why a CRL is not used: one table for code, RFC, sentence and remedy; nothing else spells such a code.

macro_rules! refusals {
    ($($variant:ident, $code:literal, $rfc:literal, $says:literal, $do:literal;)+) => {
        /// Why a CRL is not used, or not in place of the one that is held.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CrlRefusal {
            $(#[doc = concat!("`", $code, "`: ", $says, " (", $rfc, ")")] $variant,)+
        }

        impl CrlRefusal {
            /// Every one, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable identifier.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
            /// Where the rule comes from.
            pub fn rfc(self) -> &'static str {
                match self { $(Self::$variant => $rfc),+ }
            }
            /// A sentence for the operator.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $says),+ }
            }
            /// What the operator can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $do),+ }
            }
        }
    };
}

refusals! {
    Unreadable, "crl_unreadable", "RFC 5280 §6.3",
        "the file or directory cannot be read, or is larger than is read",
        "put the file in place, readable by the user sipward runs as, at most 64 MiB";
    TooMany, "crl_too_many", "RFC 5280 §6.3",
        "a trust set has more CRL files or CRLs than are read, or too many wait for their issuer's key",
        "keep at most 256 CRL files with 1024 CRLs, 256 MiB together, for one trust set";
    Malformed, "crl_malformed", "RFC 5280 §5.1",
        "it is not a v2 CRL in PEM or DER",
        "fetch the CRL from the CA anew (openssl crl -in FILE -text shows it)";
    NoNextUpdate, "crl_without_next_update", "RFC 5280 §5.1.2.5",
        "it does not say until when it is current",
        "have the CA issue CRLs with nextUpdate";
    Delta, "crl_delta", "RFC 5280 §5.2.4",
        "it lists only what changed since another CRL",
        "name the complete CRL instead";
    Indirect, "crl_indirect", "RFC 5280 §5.2.5",
        "it speaks for certificates of other issuers",
        "name the CRL that the certificates' own issuer signs";
    SomeReasons, "crl_some_reasons", "RFC 5280 §5.2.5",
        "it covers some reasons of revocation only",
        "name a CRL that covers all reasons";
    ScopeUnsupported, "crl_scope_unsupported", "RFC 5280 §5.2.5",
        "its scope is attribute certificates, or is named relative to its issuer",
        "name a CRL for certificates whose distribution point has a full name";
    UnknownCritical, "crl_unknown_critical", "RFC 5280 §5.2",
        "it holds a critical extension that is not understood",
        "have the CA issue CRLs without that extension";
    UnsupportedSignature, "crl_unsupported_signature", "RFC 9325 §4.5",
        "it is signed with an algorithm that is not accepted, as SHA-1",
        "have the CA sign its CRLs with SHA-256 or better";
    BadSignature, "crl_bad_signature", "RFC 5280 §6.3.3",
        "it was not signed with a key that is known of the issuer it names",
        "add the CRL by that issuer's own key: a CA that changed its key has one for each; or fetch it anew, another CA of the same name may have made this one";
    SignerUnfit, "crl_signer_unfit", "RFC 5280 §6.3.3",
        "its issuer has a keyUsage that does not permit it to sign CRLs",
        "have the CA's certificate issued with cRLSign, or set scope or revocation accordingly";
    Future, "crl_from_future", "RFC 5280 §5.1.2.4",
        "its thisUpdate is more than five minutes ahead of this system's clock",
        "check the clocks of this system and of the CA";
    Older, "crl_older", "RFC 5280 §5.2.3",
        "its CRL number or thisUpdate is lower than that of one that this issuer's key was proven to have signed",
        "put the current CRL in place; somebody may be rolling a revocation back. If the CA was restored with lower numbers: sipward crls, then sipward crls forget ID";
}

impl std::fmt::Display for CrlRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_snake_case() {
        let mut seen = HashSet::new();
        for refusal in CrlRefusal::ALL {
            assert!(seen.insert(refusal.code()), "{refusal}");
            let word = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(refusal.code().starts_with("crl_") && refusal.code().bytes().all(word));
        }
    }
}
