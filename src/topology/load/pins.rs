//! `pins` of a peer.
use super::loading::Loading;
use crate::topology::keys::Text;
use crate::topology::{Pin, TopologyReason};

/// Reads the pins of a peer; what is wrong with them is reported.
pub(super) fn load(list: &[Text], place: &str, loading: &mut Loading<'_, '_>) -> Vec<Pin> {
    let mut pins = Vec::new();
    for text in list {
        match Pin::parse(text.get_ref()) {
            // Compared as digests: base64 and hex of one key are the same pin.
            Some(pin) if pins.contains(&pin) => {
                loading.twice(text, &format!("{place} pin"), text.get_ref());
            }
            Some(pin) => pins.push(pin),
            None => loading.add(
                TopologyReason::PinMalformed,
                text,
                format!("{place}: the pin \"{}\" is not a SHA-256", text.get_ref()),
                "write 32 bytes in base64 or hex: openssl x509 -in CERTIFICATE -noout -pubkey | \
                 openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64",
            ),
        }
    }
    pins
}
