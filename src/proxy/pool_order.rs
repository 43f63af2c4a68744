//! In which order a request tries the members of a pool.
//!
//! The order is computed for each request anew, from the request and what is known of the members
//! at this moment. Nothing is kept between requests (no round-robin counter), so that all shards
//! and nodes order alike.
use super::health::Fitness;
use super::leg::{Leg, PeerKey, TargetSet};
use super::links::Links;
use crate::reason::MessageReason;
use crate::topology::{ClientPath, PeerRef, Pool, Strategy, Topology};
use smallvec::{SmallVec, smallvec};
use std::collections::HashSet;
use std::hash::Hasher as _;
use std::time::{Duration, Instant};

/// One pool of the current generation.
pub(crate) struct RoutedPool {
    members: Vec<PoolMember>,
    strategy: Strategy,
    /// Whether `ordered` goes by groups (`priorities` in the file) rather than by the place in the
    /// file.
    grouped: bool,
    /// How long a member that came back comes after those that stayed: calls should not move back to
    /// a server that may fail again.
    fail_back: Duration,
    /// What its home servers are answered for a client without a connection.
    pub(crate) flow_status: u16,
    /// How its registrars learn the way to a client.
    pub(crate) path: ClientPath,
}

/// One of its servers.
struct PoolMember {
    key: PeerKey,
    weight: u16,
    /// The smallest goes first.
    group: u16,
    /// Takes nothing new.
    drained: bool,
}

impl RoutedPool {
    pub(crate) fn new(pool: &Pool, topology: &Topology) -> Self {
        let groups = pool.priorities.iter().copied().chain(std::iter::repeat(1));
        let drained: HashSet<PeerRef> = pool.drain.iter().copied().collect();
        let members = pool
            .peers
            .iter()
            .zip(groups)
            .map(|((r, weight), group)| PoolMember {
                key: PeerKey::of(topology.peer(*r).name.as_str()),
                weight: *weight,
                group,
                drained: drained.contains(r),
            })
            .collect();
        Self {
            members,
            strategy: pool.strategy,
            grouped: !pool.priorities.is_empty(),
            flow_status: pool.flow_status,
            path: pool.path,
            fail_back: pool.health.map_or(Duration::ZERO, |h| h.fail_back),
        }
    }

    /// Its servers, in the order of the topology file.
    pub(crate) fn members(&self) -> impl Iterator<Item = PeerKey> {
        self.members.iter().map(|member| member.key)
    }

    /// The pool's members in the order in which this request tries them; `except` is who may have
    /// sent it. Members that are down come last, those that asked to be left alone after them;
    /// those that drain do not come at all.
    ///
    /// # Errors
    /// Nobody is left, with the reason.
    pub(crate) fn order(
        &self,
        call_id: &[u8],
        random: u64,
        except: &[PeerKey],
        links: &Links,
        now: Instant,
    ) -> Result<TargetSet, MessageReason> {
        // The only one comes first whatever is known of it.
        if let [member] = self.members.as_slice()
            && !member.drained
            && !except.contains(&member.key)
        {
            return Ok(smallvec![Leg::Peer(member.key)]);
        }
        let mut others = false;
        let mut members: SmallVec<[(Fitness, u16, u64, PeerKey); 8]> = SmallVec::new();
        for (position, member) in self.members.iter().enumerate() {
            let key = member.key;
            if except.contains(&key) {
                continue;
            }
            others = true;
            if member.drained {
                continue;
            }
            // A peer that cannot be connected from this shard is as good as down here, whatever
            // other shards see.
            let fitness = match links.peer(key) {
                Some(p) if links.is_cut_off(key, now) => {
                    p.health.fitness(now, self.fail_back).max(Fitness::Down)
                }
                Some(p) => p.health.fitness(now, self.fail_back),
                None => Fitness::Down,
            };
            let rank = match self.strategy {
                Strategy::Ordered if !self.grouped => position as u64,
                // Rendezvous hashing: when a member leaves, only its own calls move.
                Strategy::Ordered | Strategy::CallIdHash => draw(call_id, key.0, member.weight),
                Strategy::Weighted => draw(&random.to_be_bytes(), key.0, member.weight),
            };
            members.push((fitness, member.group, rank, key));
        }
        if members.is_empty() {
            return Err(if others {
                MessageReason::NoMember
            } else {
                MessageReason::NoRoute
            });
        }
        // Fitness before group before rank: a member that is down is still tried, after all others.
        members.sort_unstable();
        Ok(members
            .into_iter()
            .map(|(.., key)| Leg::Peer(key))
            .collect())
    }
}

/// Weighted rendezvous: an exponential variate with the weight as its rate; the smallest wins.
///
/// Unkeyed on purpose, so that all nodes and shards agree; a caller that aims at one member gains
/// nothing that it could not ask for.
fn draw(input: &[u8], peer: u64, weight: u16) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write_u64(peer);
    hasher.write(input);
    // 53 bits, as many as an f64 holds, moved off zero.
    let uniform = ((hasher.finish() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let variate = -uniform.ln() / f64::from(weight.max(1));
    // At most 37.5 / 1: scaled into the range of u64 with room to spare.
    (variate * 1e17) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weighted_draw_follows_the_weights() {
        let mut wins = [0u32; 2];
        for call in 0u32..20_000 {
            let input = call.to_be_bytes();
            let first = draw(&input, 1, 3) < draw(&input, 2, 1);
            wins[usize::from(!first)] += 1;
        }
        let share = f64::from(wins[0]) / 20_000.0;
        assert!(
            (0.73..0.77).contains(&share),
            "three quarters expected, got {share}"
        );
    }

    #[test]
    fn when_a_member_leaves_only_its_own_calls_move() {
        for call in 0u32..2_000 {
            let input = call.to_be_bytes();
            let mut three = [1u64, 2, 3].map(|k| (draw(&input, k, 1), k));
            three.sort_unstable();
            let mut two = [1u64, 2].map(|k| (draw(&input, k, 1), k));
            two.sort_unstable();
            if three[0].1 != 3 {
                assert_eq!(three[0].1, two[0].1);
            }
        }
    }
}
