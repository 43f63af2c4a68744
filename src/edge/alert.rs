//! The alerts of TLS (RFC 8446 §6) in words: a stable code, the number on the wire, and what the other side means by it.
use rustls::AlertDescription;

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    /// The stable code; every one but `close_notify` begins with `alert_`.
    pub(super) code: &'static str,
    /// The number on the wire.
    pub(super) number: u8,
    /// What it says about us, as a rule: programs differ in their choice.
    pub(super) meaning: &'static str,
}

macro_rules! alerts {
    ($($number:literal, $code:literal, $meaning:literal;)+) => {
        /// Every alert that has a name.
        const ALERTS: &[Alert] = &[$(Alert { code: $code, number: $number, meaning: $meaning }),+];
    };
}

alerts! {
    0, "close_notify", "they have nothing more to say";
    10, "alert_unexpected_message", "they got a message that does not belong there";
    20, "alert_bad_record_mac", "they could not decrypt what we sent";
    22, "alert_record_overflow", "they got a record that is too long";
    40, "alert_handshake_failure", "they accept nothing that we offer: version, cipher, group, or our certificate";
    41, "alert_no_certificate", "they have no certificate";
    42, "alert_bad_certificate", "they cannot use our certificate: malformed, or its signature does not hold";
    43, "alert_unsupported_certificate", "our certificate is of a kind or for a purpose that they do not accept";
    44, "alert_certificate_revoked", "our certificate is revoked, they say";
    45, "alert_certificate_expired", "our certificate is not valid now, by their clock";
    46, "alert_certificate_unknown", "they do not accept our certificate, and do not say why";
    47, "alert_illegal_parameter", "they got a value that is out of range";
    48, "alert_unknown_ca", "they do not trust the CA that issued our certificate";
    49, "alert_access_denied", "our certificate is good, but they do not let its names in";
    50, "alert_decode_error", "they could not decode what we sent";
    51, "alert_decrypt_error", "a signature or a Finished of ours does not verify for them";
    70, "alert_protocol_version", "they accept none of the TLS versions that we offer";
    71, "alert_insufficient_security", "they ask for stronger ciphers than we offer";
    80, "alert_internal_error", "something is broken on their side";
    86, "alert_inappropriate_fallback", "they take our attempt for a downgrade";
    90, "alert_user_canceled", "they gave the handshake up";
    100, "alert_no_renegotiation", "they do not negotiate anew";
    109, "alert_missing_extension", "they miss an extension";
    110, "alert_unsupported_extension", "they got an extension that they had not asked for";
    112, "alert_unrecognised_name", "they do not know the name that we asked for (SNI)";
    113, "alert_bad_certificate_status_response", "they do not accept our OCSP response";
    115, "alert_unknown_psk_identity", "they do not know the key that was offered";
    116, "alert_certificate_required", "they want a certificate and got none";
    120, "alert_no_application_protocol", "they speak none of the protocols that were offered (ALPN)";
}

/// An alert without a name here.
const OTHER: Alert = Alert {
    code: "alert_other",
    number: 0,
    meaning: "an alert that has no name here",
};

/// What an alert says.
pub(super) fn alert(description: AlertDescription) -> Alert {
    let number = u8::from(description);
    let known = ALERTS.iter().find(|alert| alert.number == number);
    known.copied().unwrap_or(Alert { number, ..OTHER })
}

/// The alert of a code.
pub(super) fn by_code(code: &str) -> Option<Alert> {
    ALERTS
        .iter()
        .chain([&OTHER])
        .copied()
        .find(|a| a.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_numbers_are_unique_and_every_alert_of_ours_has_a_name() {
        let codes: HashSet<_> = ALERTS.iter().map(|a| a.code).collect();
        let numbers: HashSet<_> = ALERTS.iter().map(|a| a.number).collect();
        assert_eq!((codes.len(), numbers.len()), (ALERTS.len(), ALERTS.len()));
        for reason in crate::trust::Reason::ALL {
            if let Some(sent) = reason.alert() {
                assert_ne!(alert(sent).code, OTHER.code, "{reason}");
            }
        }
        assert_eq!(alert(AlertDescription::UnknownCA).code, "alert_unknown_ca");
        assert_eq!(alert(AlertDescription::Unknown(200)).number, 200);
    }
}
