//! The users whose clients are refused for a time, at an operator's word: read by every core, changed by none.
use crate::sip::Uri;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The users, and until when: in Unix seconds.
///
/// Nearly always there is none, and then a request of a client costs one load.
#[derive(Debug, Default)]
pub struct DeniedUsers {
    any: AtomicBool,
    table: ArcSwap<UserTable>,
}

#[derive(Debug, Default)]
struct UserTable {
    /// By `alice` or `alice@contoso.test`.
    users: HashMap<String, u64>,
    /// The same of `alice` in whatever domain.
    somewhere: HashMap<String, u64>,
}

impl DeniedUsers {
    /// From now on these.
    ///
    /// The table first: who sees that there is any must find it.
    pub fn set(&self, users: HashMap<String, u64>) {
        let any = !users.is_empty();
        let mut somewhere = HashMap::new();
        for (key, until) in &users {
            let user = key.rsplit_once('@').map_or(&**key, |(user, _)| user);
            let longest = somewhere.entry(user.to_owned()).or_insert(*until);
            *longest = (*longest).max(*until);
        }
        self.table.store(UserTable { users, somewhere }.into());
        self.any.store(any, Relaxed);
    }

    /// The user's name as the table has it: without a scheme, in lower case. Many servers take names in any case, and whoever
    /// is denied chooses how its own is written.
    pub fn key(name: &str) -> String {
        let bare = ["sips:", "sip:"]
            .iter()
            .find_map(|it| name.strip_prefix(it));
        bare.unwrap_or(name).to_ascii_lowercase()
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Whether this user is refused at this time.
    pub(crate) fn denies(&self, uri: &Uri<'_>, now: u64) -> bool {
        self.denies_name(&uri.plain_name(), uri, now)
    }

    /// Whether an account is that credentials name, in the domain of From.
    pub(crate) fn denies_account(
        &self,
        (account, from): (&[u8], &Uri<'_>),
        is_anonymous: bool,
        now: u64,
    ) -> bool {
        let of_name = || {
            let name = String::from_utf8_lossy(account).to_ascii_lowercase();
            let until = self.table.load().somewhere.get(&name).copied();
            until.is_some_and(|until| until > now)
        };
        // Who does not say who it is does not say in which domain either.
        self.denies_name(account, from, now) || is_anonymous && of_name()
    }

    fn denies_name(&self, name: &[u8], place: &Uri<'_>, now: u64) -> bool {
        let mut buffer = [0; 253];
        let user = String::from_utf8_lossy(name).to_ascii_lowercase();
        let host = place.host.lower(&mut buffer).unwrap_or_default();
        // Both spellings are looked up, however many there are.
        let table = self.table.load();
        let denies = |key: &str| table.users.get(key).is_some_and(|until| *until > now);
        denies(&user) || denies(&format!("{user}@{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_denied_by_name_or_in_one_domain_until_the_time_is_over() {
        let denied = DeniedUsers::default();
        let names = [("sip:alice", 100), ("bob@Contoso.test", 100)];
        denied.set(
            names
                .map(|(name, until)| (DeniedUsers::key(name), until))
                .into(),
        );
        let at = |uri: &str, now| denied.denies(&Uri::parse(uri.as_bytes()).unwrap(), now);
        assert!(at("sip:%61lice@fabrikam.test;x", 99) && at("sips:bob@CONTOSO.test", 99));
        // However it is written, with a password too (RFC 3261 §19.1.1).
        assert!(at("sip:Alice:x@fabrikam.test", 99) && at("sip:BOB@contoso.test", 99));
        assert!(!at("sip:alice@fabrikam.test", 100), "the time is over");
        for other in ["sip:bob@fabrikam.test", "sip:contoso.test", "sip:alic@a"] {
            assert!(!at(other, 0), "{other}");
        }
    }

    #[test]
    fn credentials_of_a_denied_user_serve_under_no_other_from() {
        let denied = DeniedUsers::default();
        let names = [("alice", 100), ("bob@contoso.test", 100)];
        denied.set(
            names
                .map(|(name, until)| (DeniedUsers::key(name), until))
                .into(),
        );
        let at = |account: &str, from: &str, now| {
            let from = Uri::parse(from.as_bytes()).unwrap();
            let is_anonymous = from.user == Some(b"anonymous");
            denied.denies_account((account.as_bytes(), &from), is_anonymous, now)
        };
        let (carol, nobody) = ("sip:carol@contoso.test", "sip:anonymous@anonymous.invalid");
        for account in ["alice", "bob", "bob@contoso.test"] {
            assert!(
                at(account, carol, 99) && at(account, nobody, 99),
                "{account}"
            );
            assert!(!at(account, nobody, 100), "the time is over");
        }
        assert!(!at("bob", "sip:bob@fabrikam.test", 0) && !at("carol", nobody, 0));
    }
}
