//! What an operator asks a core for. Nothing of it is on a message's way, and nothing changes by it.
use super::binding::RegisteredUser;
use super::core::Core;
use super::link_id::LinkId;
use std::time::Instant;

impl Core {
    /// The users whose bindings a connection of this shard holds.
    ///
    /// One for the usual phone; a gateway may have as many as `limits.bindings_per_client`.
    pub fn users_of(&self, link: LinkId) -> impl Iterator<Item = &RegisteredUser> {
        let link = self.env.links.get(link);
        link.into_iter().flat_map(|link| &link.users)
    }

    /// The bindings that a connection of this shard holds: whose, and when each ends unless it is renewed.
    pub fn bindings_of(&self, link: LinkId) -> impl Iterator<Item = (&RegisteredUser, Instant)> {
        let link = self.env.links.get(link);
        link.into_iter().flat_map(|link| {
            link.held.iter().filter_map(|held| {
                let user = link.users.iter().find(|it| it.owner() == held.name.owner)?;
                Some((user, self.env.directory.instant(held.until)))
            })
        })
    }

    /// Bindings in this shard's directory whose connection is gone. Names of users stay with connections, so that these
    /// have none.
    pub fn bindings_away(&self) -> usize {
        // Each is entered once for each token key.
        self.env.directory.away() / self.env.tokens.binding_numbers().max(1)
    }
}
