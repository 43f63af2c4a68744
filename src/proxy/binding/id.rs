//! What names a binding: a digest of who it is, and the keyed hash of it that stands in tokens.
//!
//! The digest is the same in every node and run; it never leaves the node, since much of what it is made of can be
//! guessed. The number in a token is a hash of it under a key derived from a token key. A binding so has a number for each
//! token key that is in use, and calls go on while keys are rotated.
use crate::sip::{Uri, plain_user};
use aws_lc_rs::{digest, hmac};
use siphasher::sip::SipHasher24;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::LazyLock;

/// The number of a binding under one token key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BindingId(u64);

impl BindingId {
    /// As one number, for tokens and hashes.
    pub fn as_u64(self) -> u64 {
        self.0
    }
    /// From a verified token.
    pub fn from_u64(value: u64) -> Self {
        Self(value)
    }
    /// The shard whose directory has it.
    pub fn shard(self, shards: u8) -> u8 {
        (self.0 % u64::from(shards.max(1))) as u8
    }
}

/// Keys the hashes of addresses of record; drawn once.
static OWNERS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A hash of an address of record, the same in all shards of this run.
///
/// Not a right: it tells apart what the registrar has let in already. It is short, so that it is keyed: who may choose its
/// own name must not find one that shares a victim's hash, and with that its room and its `Contact: *`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub(crate) struct Owner(u32);

impl Owner {
    /// Of the address of record in To, or of who says to be it in From. The user is compared with its case, the domain
    /// without (RFC 3261 §19.1.4).
    pub(crate) fn of(uri: &Uri<'_>) -> Self {
        let mut hasher = OWNERS.build_hasher();
        let mut buffer = [0; 253];
        let user = uri.plain_name();
        let host = uri.host.lower(&mut buffer).unwrap_or_default();
        hasher.write_u32(user.len() as u32);
        hasher.write(&user);
        hasher.write(host.as_bytes());
        Self(hasher.finish() as u32)
    }
}

/// What sets the registrations of one address of record apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device<'a> {
    /// RFC 5626 §4.1: `+sip.instance` and `reg-id`.
    Instance {
        instance: &'a [u8],
        reg_id: &'a [u8],
    },
    /// The Call-ID, which stays the same while a client runs (RFC 3261 §10.2.4).
    CallId(&'a [u8]),
}

/// Who a binding belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BindingName {
    /// 96 bits: nobody finds another name of this digest, and two of his own would gain him nothing.
    digest: [u8; 12],
    pub(crate) owner: Owner,
}

impl BindingName {
    /// Of a registration of this address of record.
    pub(crate) fn of(aor: &Uri<'_>, device: Device<'_>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut buffer = [0; 253];
        let host = aor.host.lower(&mut buffer).unwrap_or_default().as_bytes();
        let user = aor.plain_name();
        let (kind, first, second): (&[u8], _, &[u8]) = match device {
            Device::Instance { instance, reg_id } => (b"instance", instance, reg_id),
            Device::CallId(call_id) => (b"call-id", call_id, b""),
        };
        // Each preceded by its length, so that no two names run together to the same bytes.
        for part in [host, &user, kind, first, second] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let whole = context.finish();
        let digest = whole.as_ref().first_chunk().copied().unwrap_or_default();
        Self {
            digest,
            owner: Owner::of(aor),
        }
    }
}

/// Which contact it was that a device without an instance has registered, by a hash of its user, host and port.
///
/// Under one Call-ID a phone may register a new contact and unregister the old one. No right: the registrar has let in both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ContactMark(NonZeroU32);

impl ContactMark {
    pub(crate) fn of(contact: &Uri<'_>) -> Self {
        let mut hasher = SipHasher24::new();
        let mut buffer = [0; 253];
        let user = plain_user(contact.user.unwrap_or_default());
        hasher.write_u32(user.len() as u32);
        hasher.write(&user);
        match (contact.host.lower(&mut buffer), contact.host.ip()) {
            (Some(name), _) => hasher.write(name.as_bytes()),
            (None, address) => {
                let address = address.map(|address| address.to_canonical().to_string());
                hasher.write(address.unwrap_or_default().as_bytes());
            }
        }
        hasher.write_u16(contact.port.unwrap_or(0));
        Self(NonZeroU32::new(hasher.finish() as u32).unwrap_or(NonZeroU32::MIN))
    }
}

/// What makes a binding's number: derived from a token key, so that nodes which share that share this.
pub(crate) struct BindingKey(u64, u64);

impl BindingKey {
    pub(crate) fn derive(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sipward binding");
        let word = |at: usize| {
            let bytes = derived.as_ref().get(at..at + 8);
            bytes
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_be_bytes)
        };
        Self(word(0), word(8))
    }

    /// The number of a binding in tokens that the key signs.
    pub(crate) fn id(&self, name: &BindingName) -> BindingId {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        hasher.write(&name.digest);
        BindingId(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(aor: &str, device: Device<'_>) -> BindingName {
        BindingName::of(&Uri::parse(aor.as_bytes()).unwrap(), device)
    }

    #[test]
    fn every_part_of_a_name_counts_and_its_spelling_does_not() {
        let device = |instance, reg_id| Device::Instance { instance, reg_id };
        let one = name("sip:alice@contoso.test", device(b"\"<urn:uuid:1>\"", b"1"));
        let same = name(
            "sips:%61lice@CONTOSO.test;x=y",
            device(b"\"<urn:uuid:1>\"", b"1"),
        );
        assert_eq!(one, same);
        for other in [
            name("sip:alice@contoso.test", device(b"\"<urn:uuid:1>\"", b"2")),
            name("sip:alice@contoso.test", device(b"\"<urn:uuid:2>\"", b"1")),
            name("sip:alice@contoso.test", device(b"\"<urn:uuid:1>\"1", b"")),
            name(
                "sip:alice@contoso.test",
                Device::CallId(b"\"<urn:uuid:1>\""),
            ),
            name("sip:alice@fabrikam.test", device(b"\"<urn:uuid:1>\"", b"1")),
            name("sip:Alice@contoso.test", device(b"\"<urn:uuid:1>\"", b"1")),
        ] {
            assert_ne!(one.digest, other.digest);
        }
    }

    #[test]
    fn a_number_is_the_same_in_every_run_and_another_under_another_key() {
        let who = name("sip:alice@contoso.test", Device::CallId(b"c"));
        let (one, two) = (BindingKey::derive(&[1; 32]), BindingKey::derive(&[2; 32]));
        assert_eq!(one.id(&who), BindingKey::derive(&[1; 32]).id(&who));
        assert_ne!(one.id(&who), two.id(&who));
        assert!(one.id(&who).shard(3) < 3);
        assert_eq!(one.id(&who).shard(0), 0);
    }
}
