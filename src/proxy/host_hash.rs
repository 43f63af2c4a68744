//! Hashes of the hosts that tokens hold: the name that a dialog's callee was called by, and the domain of a registered
//! client.
use crate::sip::{Scheme, Uri};
use std::hash::Hasher as _;

/// Hash of a host.
///
/// Unkeyed and 32 bits: the token that holds it is signed, and it is compared with few names only. A
/// `tel` URI has no host; its hash covers the contexts of its number (RFC 3966 §5.1.5), so that a
/// local number of one domain is not taken for that of another. 0, for a host that is neither name
/// nor address, matches nothing a peer may send.
pub(crate) fn host_hash(uri: &Uri<'_>) -> u32 {
    let mut buffer = [0; 253];
    let mut hasher = siphasher::sip::SipHasher13::new();
    match (uri.scheme, uri.host.lower(&mut buffer), uri.host.ip()) {
        (Scheme::Tel | Scheme::Other, _, _) => {
            hasher.write(b"tel:");
            uri.any_context(|host| {
                let mut buffer = [0; 253];
                let name = host.and_then(|host| host.lower(&mut buffer));
                hasher.write(name.unwrap_or("?").as_bytes());
                false
            });
        }
        (Scheme::Sip | Scheme::Sips, Some(name), _) => hasher.write(name.as_bytes()),
        (Scheme::Sip | Scheme::Sips, None, Some(ip)) => {
            hasher.write(ip.to_canonical().to_string().as_bytes())
        }
        (Scheme::Sip | Scheme::Sips, None, None) => return 0,
    }
    hasher.finish() as u32
}
