//! The proxy core of one shard: its environment, its response contexts and its pings.
use super::account::{Account, ShardMemory};
use super::binding::{Directory, MovedLegs};
use super::calls::{CallClient, CallTable, CallsOfClients};
use super::context::NextStep;
use super::contexts::ResponseContexts;
use super::denied_users::DeniedUsers;
use super::departed::Departed;
use super::environment::{Drain, Environment};
use super::interface::{Actions, AdvertisedNames};
use super::link_id::LinkId;
use super::link_state::{LinkState, PeerLoad};
use super::links::Links;
use super::log_levels::LogLevel;
use super::node_memory::NodeMemory;
use super::ping::Pings;
use super::refused_credentials::RefusedCredentials;
use super::refused_invites::RefusedInvites;
use super::secrets::Secrets;
use super::sibling::Taken;
use super::tables::Tables;
use super::token::TokenBox;
use super::token_keys::TokenKeys;
use super::wheel::Wheel;
use crate::observe::RequestTally;
use crate::reason::MessageReason;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a core knows from its birth.
#[derive(Clone, Debug)]
pub struct CoreSetup {
    /// This core's shard.
    pub shard: u8,
    /// How many shards there are.
    pub shards: u8,
    /// Random per process: flows of an earlier run must not be mistaken for those of this one.
    pub run: u64,
    /// Random bytes for keyed hashes and branches; the same in all shards, so that they agree on
    /// transaction keys.
    pub seed: [u8; 32],
    /// What this node announces.
    pub names: AdvertisedNames,
    /// When the core begins.
    pub now: Instant,
    /// The same by the calendar, in seconds.
    pub unix: u64,
    /// Where it counts its requests.
    pub tally: Arc<RequestTally>,
}

/// How often tables are looked at for what a flood has left.
const SHRINK: Duration = Duration::from_secs(5);

/// What a binding takes, in bytes, with its places in the tables that lead to it.
const BINDING: usize = 768;

/// The proxy core of one shard.
///
/// Inputs are the `on_...` methods of [`super::messages`] and [`super::events`]; each leads to one
/// response context, or to what the environment alone can do. What a context wants next is carried
/// out here.
pub struct Core {
    pub(crate) env: Environment,
    pub(crate) contexts: ResponseContexts,
    pub(crate) pings: Pings,
    /// What has still to follow its clients to other connections.
    pub(crate) following: super::binding::Following,
    /// What registered clients have asked whose connections have gone.
    pub(crate) departed: Departed,
    /// When the tables were last looked at for what a flood has left.
    shrunk: Instant,
}

impl Core {
    /// A core without links or transactions.
    pub fn new(setup: CoreSetup, tables: Arc<Tables>, keys: Arc<TokenKeys>) -> Self {
        let topology = tables.generation.topology();
        let mut core = Self {
            env: Environment {
                shard: setup.shard,
                shards: setup.shards.max(1),
                limits: topology.limits().clone(),
                links: Links::default(),
                directory: Directory::new(setup.now),
                former: super::binding::FormerHolders::default(),
                located: super::binding::LocatedClients::default(),
                moved: MovedLegs::default(),
                calls: CallTable::new(setup.now),
                log_levels: super::log_levels::LogLevels::default(),
                refused_invites: RefusedInvites::default(),
                request_lines: std::cell::RefCell::default(),
                denied_users: Arc::default(),
                for_self: VecDeque::new(),
                now: setup.now,
                tokens: TokenBox::new(
                    keys,
                    topology.node().advertised().as_str(),
                    topology.node().fqdn.as_str(),
                    setup.run,
                ),
                calendar: (setup.now, setup.unix),
                refused: Arc::new(RefusedCredentials::new(setup.now)),
                reached: super::reached_bounds::ReachedBounds::default(),
                taken: Taken::default(),
                secrets: Secrets::new(&setup.seed, setup.shard),
                wheel: Wheel::new(setup.now),
                buffers: super::buffers::SpareBuffers::default(),
                memory: ShardMemory::new(&Arc::default()),
                transactions: 0,
                answered: 0,
                draining: None,
                tally: setup.tally,
                is_retired: false,
                written: super::process::WrittenRequests::default(),
                names: setup.names,
                advertises: tables.listing.advertises,
                formerly_hidden: HashSet::new(),
                tables,
            },
            contexts: ResponseContexts::default(),
            pings: Pings::default(),
            following: super::binding::Following::default(),
            departed: Departed::default(),
            shrunk: setup.now,
        };
        core.env.links.relist(&core.env.tables.listing);
        core.pings.relist(&core.env, setup.now);
        core
    }

    /// From now on the core looks there for users whose clients are refused.
    pub fn share_denied_users(&mut self, users: &Arc<DeniedUsers>) {
        self.env.denied_users = Arc::clone(users);
    }

    /// From now on these parties' requests have lines of their own level, and no other's.
    pub fn set_log_levels(&mut self, levels: Arc<[LogLevel]>) {
        self.env.log_levels.set(levels);
    }

    /// From now on the core counts there whose credentials were refused.
    pub fn share_refused_credentials(&mut self, refused: &Arc<RefusedCredentials>) {
        self.env.refused = Arc::clone(refused);
    }

    /// From now on what the core keeps is part of these sums. Before anything has connected.
    pub fn share_memory(&mut self, node: &Arc<NodeMemory>) {
        node.set_bound(self.env.limits.memory.bytes());
        self.env.memory = ShardMemory::new(node);
    }

    /// What is kept in memory for a connection of this shard; its shell counts what it keeps itself.
    pub(crate) fn account(&self, link: LinkId) -> Option<Rc<Account>> {
        self.env.links.get(link)?.account.clone()
    }

    /// What this shard keeps, for its shell.
    pub(crate) fn memory(&self) -> Rc<ShardMemory> {
        Rc::clone(&self.env.memory)
    }

    /// The shell has closed connections for a bound.
    pub(crate) fn note_bound(&mut self, reason: MessageReason, now: Instant, out: &mut Actions) {
        self.env.now = now;
        self.env.note_refusal(reason, out);
    }

    /// Returns the memory of tables that a flood has made large. Looked at now and then, and when nothing is left.
    pub(crate) fn shrink_tables(&mut self, now: Instant) {
        let is_due = self.transactions() == 0 || now >= self.shrunk + SHRINK;
        if is_due {
            self.shrunk = now;
            if let Some(slots) = self.contexts.shrink() {
                self.env.wheel.shrink(slots);
            }
        }
    }

    /// Counts what is in tables that grow with what is registered. A call counts for its clients' sources (`CallHold`).
    pub(crate) fn count_tables(&self) {
        let waiting = self.env.directory.waiters.bytes();
        let tables = self.env.directory.len() * BINDING + waiting;
        self.env.memory.set_tables(tables);
    }

    /// What the calendar says now, which siblings compare. To be called now and then, as it may be set.
    pub fn set_calendar(&mut self, now: Instant, unix: u64) {
        self.env.calendar = (now, unix);
    }

    /// When `on_deadline` should be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.env.wheel.next(),
            self.pings.next(),
            self.env.directory.next(),
            self.following.next(self.env.now),
            self.env.calls.next(),
            self.env.reached.next(),
            self.departed.next(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// From now on requests that begin something new are answered 503.
    pub fn start_draining(&mut self) {
        self.env.draining = Some(Drain::Stop);
    }

    /// The same for maintenance, or no longer. Clients that are still here are reached by other nodes of the site.
    pub fn refuse_new(&mut self, refuses: bool) {
        if self.env.draining != Some(Drain::Stop) {
            self.env.draining = refuses.then_some(Drain::Clients);
        }
    }

    /// Another process of this node accepts in place of this one, or no longer: clients that are lost come back there.
    pub fn retire(&mut self, is_retired: bool) {
        self.env.is_retired = is_retired;
    }

    /// Nothing new is sent on this link, which is to be closed when what runs on it is over.
    pub fn send_no_requests(&mut self, link: LinkId) {
        if let Some(link) = self.env.links.get_mut(link) {
            link.requests = false;
        }
    }

    /// Whether a request that was sent on the link waits for its answer.
    pub fn awaits_answer(&self, link: LinkId) -> bool {
        let link = self.env.links.get(link);
        link.is_some_and(|link| !link.branches.is_empty())
    }

    /// Transactions that still owe an answer.
    pub fn pending(&self) -> usize {
        self.contexts.all().filter(|c| c.pending()).count()
    }

    /// Response contexts alive, answered INVITEs in their 32 seconds included.
    pub fn transactions(&self) -> usize {
        self.env.transactions + self.env.answered
    }

    /// Those of them that are bounded by `limits.transactions`: what waits only for an ACK, or for further answers, is a
    /// small record.
    pub fn open_transactions(&self) -> usize {
        self.env.transactions
    }

    /// Whether a link of this shard takes requests that another shard has for its peer.
    pub fn takes_requests(&self, link: LinkId) -> bool {
        let link = self.env.links.get(link);
        link.is_some_and(LinkState::takes_requests)
    }

    /// Bindings that this shard is asked for, those without a connection included.
    pub fn bindings(&self) -> usize {
        self.env.directory.len()
    }

    /// What runs with each peer, by its name.
    pub fn peer_loads(&self) -> Vec<(String, PeerLoad)> {
        self.env.links.loads()
    }

    /// Whether nothing of this core runs on the link, so that closing it cuts nothing off.
    pub fn is_idle(&self, link: LinkId) -> bool {
        self.env.links.is_idle(link)
    }

    /// Whether the client at the far end of this link has one of these calls.
    pub fn has_call(&self, link: LinkId, calls: &CallsOfClients) -> bool {
        let bindings = self.env.links.bindings_of(link);
        // A call goes on over the connection after its registration has ended.
        let mut bindings = bindings.chain(self.env.links.former_of(link));
        calls.has(CallClient::Link(link)) || bindings.any(|id| calls.has(CallClient::Binding(id)))
    }

    /// Whether it has one that ends with its connection, since it had not registered when the call began.
    pub fn has_call_here_alone(&self, link: LinkId, calls: &CallsOfClients) -> bool {
        calls.has(CallClient::Link(link))
    }

    /// The clients that have a call which this shard keeps.
    pub fn clients_with_calls(&self) -> CallsOfClients {
        self.env.calls.clients()
    }

    /// Carries out what the context in this slot wants.
    pub(crate) fn carry_out(&mut self, slot: u32, next: NextStep, now: Instant, out: &mut Actions) {
        let next = match next {
            NextStep::Keep => return,
            NextStep::TryNext => match self.contexts.get_mut(slot) {
                Some(context) => context.retry(now, &mut self.env, out),
                None => return,
            },
            NextStep::Answered | NextStep::Close => next,
        };
        let env = &mut self.env;
        match next {
            NextStep::Close => self.contexts.remove(slot, |context| context.release(env)),
            NextStep::Answered => {
                self.contexts.settle(slot, |context| context.settle(env));
                self.contexts.note_refused(slot, &mut env.links);
            }
            NextStep::Keep | NextStep::TryNext => {}
        }
    }

    /// An answered INVITE waits for nothing any more.
    pub(crate) fn forget_answered(&mut self, slot: u32) {
        if let Some(link) = self.contexts.remove_answered(slot) {
            self.env.wheel.cancel(slot);
            self.env.answered -= 1;
            self.env.links.forget_answered(link, self.env.shard);
        }
    }
}
