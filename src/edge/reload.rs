//! A new generation becomes current in every shard, and every live connection is decided on again by it.
use super::clock;
use super::error::EdgeError;
use super::handle::Edge;
use super::judged::Judgements;
use super::reception::AcceptRules;
use super::shard::Shard;
use super::tls::TlsConfigs;
use crate::observe::Event;
use crate::proxy::{Tables, TokenKeys};
use crate::reason::DaemonReason;
use crate::trust::Generation;
use std::rc::Rc;
use std::sync::Arc;

impl Edge {
    /// Makes a new generation current in every shard; returns when every live connection was decided on again.
    ///
    /// Listeners' addresses do not change here (that needs a restart).
    ///
    /// # Errors
    /// A certificate that the TLS library refuses; then nothing has changed anywhere.
    pub async fn swap(&self, generation: Arc<Generation>) -> Result<(), EdgeError> {
        // The shards build the same for themselves; whatever can fail must fail before the first of them has changed.
        TlsConfigs::build(&generation, &self.listeners, &self.seen)?;
        let topology = generation.topology();
        let keys = Arc::new(TokenKeys::new(&topology.tokens().keys, self.random_key));
        let rules = AcceptRules::new(topology, &self.listeners);
        let deny = topology.limits().deny.0.clone();
        // What takes time comes before the first change, so that all of them come together.
        let (judged, tables) = tokio::join!(
            self.judge(&generation),
            self.tables(Arc::clone(&generation))
        );
        self.rules.store(Arc::new(rules));
        self.denials.set_file(&deny);
        // A shard that has ended has nothing left to swap.
        let before = self.each_to_the_end(move |shard, done| {
            let _ = done.send(shard.swap(Arc::clone(&tables), Arc::clone(&keys), &judged));
        });
        let before = before.await;
        // A large generation takes milliseconds to free, and none of the shards may be the one that does it.
        let _ = tokio::task::spawn_blocking(move || drop(before)).await;
        Ok(())
    }

    /// What a generation means to the shards' cores: made by another thread, once for all of them, since a large
    /// topology takes longer than a shard may stand still.
    async fn tables(&self, generation: Arc<Generation>) -> Arc<Tables> {
        let (names, health) = (self.names.clone(), Arc::clone(&self.health));
        let of = Arc::clone(&generation);
        let made = tokio::task::spawn_blocking(move || Tables::new(of, &names, &health)).await;
        // A runtime that is going away takes no more work.
        made.unwrap_or_else(|_| Tables::new(generation, &self.names, &self.health))
    }
}

impl Shard {
    /// The same in one shard, between two turns of its tasks: no message sees half a generation. Returns what was current
    /// before.
    fn swap(
        self: &Rc<Self>,
        tables: Arc<Tables>,
        keys: Arc<TokenKeys>,
        judged: &Judgements,
    ) -> Option<Arc<Tables>> {
        let old = self.tls();
        if let Err(error) = self.renew_settings(tables.generation()) {
            // `Edge::swap` has built the same from the same generation, so this cannot be. A shard that keeps its
            // generation is safe: it goes on under the rules that it has.
            self.shared.log.record(Event::Warning {
                reason: DaemonReason::ShardKeptGeneration.into(),
                detail: error.to_string(),
            });
            return None;
        }
        let (now, at) = (clock::now(), clock::unix());
        let (old, new) = (old.generation().topology(), tables.generation().topology());
        self.dialler.forget(|peer| old.dialled_alike(new, peer, at));
        // The core first: it must know the new generation's peers when it hears who of them stays.
        let mut before = None;
        self.feed(None, |core, out| {
            before = Some(core.on_generation(tables, keys, now, out));
        });
        self.reevaluate_all(judged);
        self.close_denied();
        self.settle();
        before
    }
}
