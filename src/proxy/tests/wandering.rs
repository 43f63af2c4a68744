//! Phones that change connections at random while they are called: whatever happens, the tables of all shards agree, every
//! INVITE gets one final answer, and nothing is left in the end.
use super::world::*;
use crate::proxy::LinkId;
use std::collections::HashMap;
use std::time::Duration;

/// Small numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

/// One phone: where it is, if anywhere, and the Path that its registrar has.
#[derive(Default)]
struct Phone {
    link: Option<LinkId>,
    path: Option<String>,
}

struct Storm {
    w: World,
    dice: Dice,
    homes: Vec<LinkId>,
    phones: [Phone; 3],
    /// Connections that phones have left without closing them.
    stale: Vec<LinkId>,
    calls: usize,
    /// Final answers of INVITEs, by their branch.
    finals: HashMap<String, usize>,
    /// How often phones have seen each branch of the daemon.
    seen: HashMap<String, usize>,
}

impl Storm {
    fn new(shards: u8, seed: u64) -> Self {
        let mut w = World::with(topology(), shards);
        let homes = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let (dice, phones) = (Dice(seed), Default::default());
        Self {
            w,
            dice,
            homes,
            phones,
            stale: Vec::new(),
            calls: 0,
            finals: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    fn step(&mut self) {
        let which = self.dice.below(3);
        let home = self.homes[self.dice.below(self.homes.len())];
        match self.dice.below(8) {
            0 | 1 => self.register(which),
            2 => {
                if let Some(link) = self.phones[which].link.take() {
                    self.w.lose(link);
                }
            }
            3 => {
                if let Some(link) = self.stale.pop() {
                    self.w.lose(link);
                }
            }
            4 | 5 => self.call(which, home),
            6 => self.cancel(home),
            _ => {
                let time = self.dice.below(20_000) as u64;
                self.w.pass(Duration::from_millis(time));
            }
        }
        self.read();
        for core in &self.w.cores {
            core.audit();
        }
    }

    fn register(&mut self, which: usize) {
        let shard = self.dice.below(self.homes.len());
        let link = self.w.client_in(shard as u8);
        let device = format!(";reg-id={which};+sip.instance=\"<urn:uuid:1>\"");
        // Every other time the old connection stays for a while.
        if let Some(old) = self.phones[which].link.replace(link) {
            match self.dice.below(2) {
                0 => self.w.lose(old),
                _ => self.stale.push(old),
            }
        }
        let path = self.w.register(link, self.homes[shard], &device);
        let before = self.phones[which].path.replace(path.clone());
        assert!(before.is_none_or(|before| before == path));
    }

    fn call(&mut self, which: usize, home: LinkId) {
        let Some(path) = self.phones[which].path.clone() else {
            return;
        };
        self.calls += 1;
        let method = if self.dice.below(2) == 0 {
            "INVITE"
        } else {
            "INFO"
        };
        let branch = format!("z9hG4bKcall{}", self.calls);
        let from = "<sip:bob@contoso.test>;tag=b";
        let request = Request::of(method).uri("sip:alice@10.0.0.1").from(from);
        if method == "INVITE" {
            self.finals.insert(branch.clone(), 0);
        }
        self.w.ask(home, request.branch(&branch).more(&path));
    }

    fn cancel(&mut self, home: LinkId) {
        let branch = format!("z9hG4bKcall{}", self.calls);
        if self.finals.get(&branch) == Some(&0) {
            let from = "<sip:bob@contoso.test>;tag=b";
            let cancel = Request::of("CANCEL").uri("sip:alice@10.0.0.1").from(from);
            self.w.ask(home, cancel.branch(&branch));
        }
    }

    /// Everybody reads what has come: phones answer or let it ring, the home server counts.
    fn read(&mut self) {
        for which in 0..self.phones.len() {
            let Some(link) = self.phones[which].link else {
                continue;
            };
            while let Some(got) = self.w.take(link) {
                if got.starts_with("INVITE") {
                    let via = field(&got, "Via").unwrap().to_owned();
                    *self.seen.entry(via).or_default() += 1;
                }
                let rings = self.dice.below(3);
                if got.starts_with("INVITE") && rings == 0 {
                    self.w.rings(link, &got);
                } else if got.starts_with("INVITE") || got.starts_with("INFO") {
                    let status = [200, 486, 503][self.dice.below(3)];
                    self.w.answers(link, &got, status);
                } else if got.starts_with("CANCEL") {
                    self.w.answers(link, &got.replace("CANCEL", "INVITE"), 487);
                }
            }
        }
        for home in self.homes.clone() {
            while let Some(got) = self.w.take(home) {
                let is_final = got.starts_with("SIP/2.0") && !got.starts_with("SIP/2.0 1");
                if !is_final || !field(&got, "CSeq").unwrap().ends_with("INVITE") {
                    continue;
                }
                let via = field(&got, "Via").unwrap();
                let branch = via
                    .split("branch=")
                    .nth(1)
                    .unwrap()
                    .split(';')
                    .next()
                    .unwrap();
                *self.finals.get_mut(branch).unwrap() += 1;
                if !got.starts_with("SIP/2.0 2") {
                    let ack = Request::of("ACK").uri("sip:alice@10.0.0.1");
                    self.w.ask(
                        home,
                        ack.from("<sip:bob@contoso.test>;tag=b").branch(branch),
                    );
                }
            }
        }
    }

    /// Returns how many calls phones have seen again on another connection.
    fn end(mut self) -> usize {
        for _ in 0..60 {
            self.w.pass(Duration::from_secs(10));
            self.read();
        }
        for (branch, finals) in &self.finals {
            assert_eq!(*finals, 1, "{branch}");
        }
        self.w.all_freed();
        self.seen.values().filter(|seen| **seen > 1).count()
    }
}

#[test]
fn whatever_phones_do_every_call_ends_once_and_the_tables_agree() {
    let mut again = 0;
    for seed in 0..120 {
        let mut storm = Storm::new([1, 3][seed as usize % 2], seed);
        for _ in 0..80 {
            storm.step();
        }
        again += storm.end();
    }
    assert!(again > 100, "{again} calls have followed their phone");
}
