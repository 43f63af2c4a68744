//! The keys of `[[trust]]`: anchors and CRLs.
use super::identity::bound;
use super::key::{DAY, FLAG, MINUTE, SECOND, TEXT, TEXTS, TIME, ValueType, duration};
use super::{Compare, Every, FromToml, ShownValue, Text, came_and_went, keys};
use crate::topology::{
    CertificateFacts, Revocation, RevocationScope, Topology, TrustSet, show_duration,
};
use rustls_pki_types::UnixTime;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

keys! {
    /// The table of `revocation`.
    pub(crate) struct GraceTable {
        // A CRL that is a month late proves nothing any more.
        grace: Option<Duration> = required, duration(1, 30 * DAY), reload,
            "For how long a CRL serves after its nextUpdate; without any grace write `revocation = \"require\"`.";
    }
}

/// The table has one key that must be there; the reader let no table through without it.
impl FromToml for Revocation {
    fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        match value.get_ref().as_str() {
            Some("off") => Some(Self::Off),
            Some(_) => Some(Self::Require),
            None => GraceTable::from_toml(value)?.grace.map(Self::Grace),
        }
    }
}

// Anchors and CRLs are compared by what the files hold, since their paths seldom change.
keys! {
    /// `[[trust]]` as it is written.
    pub(crate) struct RawTrust compares Topology, TrustSet {
        // The name is how peers refer to the set; it is never compared, since it is what two sets are
        // matched by.
        name: Option<Text> = required, TEXT, reload,
            "What peers and listeners call it."
            => Compare::Elsewhere;
        anchors: Option<Text> = required, TEXT, reload,
            "File with the trust anchors and, if need be, CAs below them, PEM or DER, any number."
            => Compare::Change(anchors);
        // Off by default, so that a bundle of root and issuing CA is not two anchors by accident.
        partial_chain: bool = default(false), FLAG, reload,
            "Whether every certificate of that file is an anchor, not only those that signed themselves; see below.";
        crls: Vec<Text> = optional("none"), TEXTS, reload,
            "Files with CRLs, PEM or DER, or directories that hold nothing else. Passed over in a directory are names that begin \
             with a dot or end with `.tmp` or `~`, what is no regular file, and links that lead nowhere."
            => Compare::Change(crls);
        // Soon enough after a revocation; reading costs little, since unchanged files are recognised by
        // their digest.
        crl_refresh: Every = default(Every(Some(Duration::from_millis(5 * MINUTE)))), ValueType::Duration(SECOND, DAY, Some("off")), reload,
            "How often these files are read again; `\"off\"`: at a reload only.";
        // With its line, because it is reported if nothing can come of it.
        crl_fetch: Option<Spanned<bool>> = optional("`false`"), FLAG, reload,
            "Whether CRLs are fetched, too, as often, from the http:// distribution points of the set's own CAs; see below."
            => Compare::Value(|_, set| ShownValue::text(&set.crl_fetch));
        crl_fetch_local: Vec<Text> = optional("none"), TEXTS, reload,
            "Hosts of distribution points, names or addresses as the URI has them, that may be at a loopback, link-local or other \
             special address; see below."
            => Compare::Value(|_, set| ShownValue::list(&set.crl_fetch_local));
        // Its line is that of the warning if it is off.
        revocation: Option<Spanned<Revocation>> = optional("`\"require\"`"), ValueType::WordOrTable(&["require", "off"], GraceTable::KEYS), reload,
            "What becomes of a certificate without a current CRL. `\"require\"`: a certificate in scope needs a current CRL. \
             `{ grace = \"6h\" }`: a CRL serves for this long after its nextUpdate. `\"off\"`: no CRL is consulted; revoked \
             certificates are accepted, and `check` warns."
            => Compare::Value(|_, set| ShownValue::Text(match set.revocation {
                Revocation::Require => "require".to_owned(),
                Revocation::Grace(grace) => format!("grace {}", show_duration(grace)),
                Revocation::Off => "off".to_owned(),
            }));
        // The strict one is the default: an issuing CA that was revoked must not go on to vouch.
        scope: RevocationScope = default(RevocationScope::Chain), ValueType::Word(RevocationScope::WORDS), reload,
            "Which certificates need a CRL. `\"chain\"`: the leaf and its intermediates. `\"leaf\"`: the leaf alone.";
        not_before: Option<Spanned<UnixTime>> = optional("always"), TIME, reload,
            "When the set begins to vouch; before, it counts as absent (`trust_not_yet_active`)."
            => Compare::Value(|_, set| bound(set.window.not_before));
        not_after: Option<Spanned<UnixTime>> = optional("never"), TIME, reload,
            "When it ceases to vouch (`trust_no_longer_active`)."
            => Compare::Value(|_, set| bound(set.window.not_after));
    }
}

/// Anchors are compared by content and shown by subject: a renewed CA often keeps its name.
///
/// The order in the file does not matter to path building, but shows as a change: it costs nothing and
/// hides nothing.
fn anchors(old: &TrustSet, new: &TrustSet) -> Option<String> {
    if old.anchors == new.anchors {
        return None;
    }
    let subjects = |set: &TrustSet| -> Vec<String> {
        let facts = set.anchors.iter().map(|der| CertificateFacts::read(der));
        facts
            .map(|f| f.map_or_else(String::new, |f| format!("\"{}\"", f.subject)))
            .collect()
    };
    let (old, new) = (subjects(old), subjects(new));
    Some(if old == new {
        "anchors renewed under the same names".to_owned()
    } else {
        format!("anchors {}", came_and_went(&old, &new))
    })
}

/// Only how many: the event `crl_refreshed` and `sipward crls` show which.
fn crls(old: &TrustSet, new: &TrustSet) -> Option<String> {
    let digests =
        |set: &TrustSet| -> Vec<[u8; 32]> { set.crls.iter().map(|crl| *crl.digest()).collect() };
    let (before, now) = (old.crls.len(), new.crls.len());
    (digests(old) != digests(new)).then(|| format!("CRLs replaced ({before} before, {now} now)"))
}
