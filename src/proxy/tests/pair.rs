//! Two nodes of one site, wired together: their home server, their phones, and what one sends to the other.
pub(super) use super::world::*;
use crate::proxy::LinkId;
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Two nodes with one home server, which has a connection to each.
pub(super) struct Pair {
    pub(super) nodes: [World; 2],
    /// The home server's connection at each.
    pub(super) homes: [LinkId; 2],
    /// The sibling's connections at each, one for each shard.
    pub(super) siblings: [Vec<LinkId>; 2],
}

impl Pair {
    pub(super) fn new(shards: u8) -> Self {
        Self::with(shards, |topology| topology)
    }

    pub(super) fn with(
        shards: u8,
        change: impl Fn(crate::topology::Topology) -> crate::topology::Topology,
    ) -> Self {
        let mut nodes = [0, 1].map(|at| World::with(change(one_of_two(topology(), at)), shards));
        let homes = [0, 1].map(|at: usize| nodes[at].peer(FE01));
        let mut sibling = |at: usize| -> Vec<LinkId> {
            let each = 0..shards;
            each.map(|shard| nodes[at].peer_in(shard, NODES[1 - at]))
                .collect()
        };
        let siblings = [sibling(0), sibling(1)];
        Self::settled(nodes, homes, siblings)
    }

    /// Two processes of one node while the first hands over to the second.
    pub(super) fn of_processes(shards: u8) -> Self {
        let mut nodes = [0, 1].map(|_| World::with(topology(), shards));
        let homes = [0, 1].map(|at: usize| nodes[at].peer(FE01));
        let mut process = |at: usize| -> Vec<LinkId> {
            let each = 0..shards;
            each.map(|shard| nodes[at].other_process_in(shard))
                .collect()
        };
        let siblings = [process(0), process(1)];
        Self::settled(nodes, homes, siblings)
    }

    fn settled(nodes: [World; 2], homes: [LinkId; 2], siblings: [Vec<LinkId>; 2]) -> Self {
        let mut pair = Self {
            nodes,
            homes,
            siblings,
        };
        // Nobody waits any more for who has not come back since the start.
        pair.pass(31 * SECOND);
        pair
    }

    /// The first hands over to the second.
    pub(super) fn retire(&mut self) {
        let cores = self.nodes[0].cores.iter_mut();
        cores.for_each(|core| core.retire(true));
    }

    /// The far end of a connection of this node sends this.
    pub(super) fn says(&mut self, at: usize, link: LinkId, text: &str) {
        self.nodes[at].send(link, text);
        self.pump();
    }

    /// Time passes at both; pings are answered.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.nodes[0].now + time;
        while self.nodes[0].now < end {
            let step = SECOND.min(end - self.nodes[0].now);
            self.nodes.iter_mut().for_each(|node| node.pass(step));
            self.nodes[1].now = self.nodes[0].now;
            self.pump();
        }
    }

    /// What one node has sent to the other arrives there, until nothing is under way.
    pub(super) fn pump(&mut self) -> usize {
        let mut count = 0;
        loop {
            let mut moved = false;
            for (at, shard) in [0, 1]
                .iter()
                .flat_map(|at| (0..self.siblings[0].len()).map(move |shard| (*at, shard)))
            {
                let [own, other] = [at, 1 - at].map(|at: usize| self.siblings[at][shard]);
                while let Some(bytes) = self.nodes[at].take_bytes(own) {
                    moved = true;
                    count += usize::from(!bytes.windows(7).any(|part| part == b"OPTIONS"));
                    if self.nodes[1 - at].is_live(other) {
                        self.nodes[1 - at].send_bytes(other, &bytes);
                    }
                }
            }
            if !moved {
                return count;
            }
        }
    }

    /// A phone registers at this node; its connection, and a Route by its Path.
    pub(super) fn phone(&mut self, at: usize) -> (LinkId, String) {
        let phone = self.nodes[at].client();
        let path = self.nodes[at].register(phone, self.homes[at], "");
        (phone, path)
    }

    /// The home server sends this to a node.
    pub(super) fn sends(&mut self, at: usize, text: &str) {
        self.nodes[at].send(self.homes[at], text);
        self.pump();
    }

    /// The phone at this node answers.
    pub(super) fn answers(&mut self, at: usize, phone: LinkId, request: &str, status: u16) {
        self.nodes[at].answers(phone, request, status);
        self.pump();
    }

    /// This node's process is gone.
    pub(super) fn kill(&mut self, at: usize) {
        for node in [at, 1 - at] {
            for link in self.siblings[node].clone() {
                self.nodes[node].lose(link);
            }
        }
    }
}

pub(super) fn each(test: impl Fn(Pair)) {
    for shards in [1, 3] {
        test(Pair::new(shards));
    }
}

pub(super) fn request(method: &str, route: &str, branch: &str) -> String {
    Request::of(method)
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>;tag=a")
        .branch(branch)
        .more(route)
        .to_string()
}

/// A call of the home side, by the phone's Path.
pub(super) fn invite(route: &str, branch: &str) -> String {
    Request::invite()
        .uri("sip:alice@10.0.0.1")
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>")
        .branch(branch)
        .more(route)
        .to_string()
}

pub(super) fn route_of(message: &str) -> String {
    format!("Route: {}\n", field(message, "Record-Route").unwrap())
}
