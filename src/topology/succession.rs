//! Which identity is shown when: one outside its window makes room for another one that carries its names, so that a renewed
//! certificate can be staged.
use super::{Identity, IdentityRef, Topology};
use rustls_pki_types::UnixTime;

impl Topology {
    /// An identity, and after it, in the order of the file, those that can take its place: they carry all its names.
    pub fn succession(&self, r: IdentityRef) -> impl Iterator<Item = IdentityRef> {
        let own = self.identity(r);
        let all = (0u32..).map(IdentityRef).zip(&self.identities);
        let others = all.filter(move |(other, identity)| *other != r && takes_over(identity, own));
        std::iter::once(r).chain(others.map(|(other, _)| other))
    }

    /// The identity that is shown at a time where `r` is named. Loading has seen to it that there is one from then on; for
    /// a time before, it is `r` itself.
    pub fn identity_at(&self, r: IdentityRef, at: UnixTime) -> IdentityRef {
        self.shown_at(r, at).unwrap_or(r)
    }

    /// Whether what is shown where `r` is named may be the identity of this name.
    pub(crate) fn shows(&self, r: IdentityRef, name: &str) -> bool {
        let mut names = self.succession(r).map(|other| &self.identity(other).name);
        names.any(|shown| shown == name)
    }

    pub(super) fn shown_at(&self, r: IdentityRef, at: UnixTime) -> Option<IdentityRef> {
        self.succession(r)
            .find(|other| self.identity(*other).window.is_open(at))
    }
}

fn takes_over(identity: &Identity, from: &Identity) -> bool {
    !from.names.is_empty() && from.names.iter().all(|name| identity.names.contains(name))
}
