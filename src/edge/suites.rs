//! Which cipher suites this node prefers (RFC 8446 §B.4, RFC 5289): of those that rustls has, all authenticated and with
//! forward secrecy, the cheapest first.
//!
//! AES with 128 bits comes before AES with 256. Nobody searches through either, and the longer key takes four rounds more
//! for each block. A remote whose policy asks for 256 bits takes nothing else, and gets them.
use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, default_provider};

/// The cryptography of the process: that of rustls, with the suites in this node's order.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    }
}

/// Whether a client that offers these suites, the one that it likes best first, has no AES in hardware: then it chooses, as AES
/// would cost it more than anything costs here.
pub(super) fn client_chooses(offered: &[CipherSuite]) -> bool {
    // What nobody knows (GREASE, RFC 8701) says nothing.
    let known = |offered: &&CipherSuite| offered.as_str().is_some();
    offered.iter().find(known).is_some_and(|first| {
        matches!(
            first,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nothing_that_rustls_has_is_missing() {
        let names = |provider: CryptoProvider| {
            let suites = provider.cipher_suites.iter();
            suites
                .map(|suite| format!("{suite:?}"))
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(provider()), names(default_provider()));
    }

    #[test]
    fn a_client_without_aes_in_hardware_chooses_for_itself() {
        use CipherSuite as S;
        let grease = S::Unknown(0x1a1a);
        let chacha = S::TLS13_CHACHA20_POLY1305_SHA256;
        for (offered, chooses) in [
            (&[chacha, S::TLS13_AES_128_GCM_SHA256][..], true),
            (&[grease, chacha, S::TLS13_AES_256_GCM_SHA384], true),
            (&[S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256], true),
            (&[S::TLS13_AES_256_GCM_SHA384, chacha], false),
            (&[grease], false),
            (&[], false),
        ] {
            assert_eq!(client_chooses(offered), chooses, "{offered:?}");
        }
    }
}
