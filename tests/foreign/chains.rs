//! Random hierarchies through `decide` and `openssl verify -crl_check_all`; where they differ, `rules` names the rule.
//!
//! A run takes 2,000 chains, most of a fixed seed and some of a fresh one, which it prints; `SIPWARD_CHAINS_SEED` gives one
//! for all, `SIPWARD_CHAINS` another number of chains.
//! What no rule names is written to a directory that stays, with the command to ask OpenSSL again.
mod der;
mod hierarchy;
mod model;
pub(crate) mod openssl;
mod random;
mod rules;

use crate::desk::{Desk, Setting, Told, judge};
use der::pem;
use hierarchy::{AT, Hierarchy, KEYS, grow};
use model::{Alternative, Certificate, Ring};
use openssl::{Opinion, Question, ask};
use random::Random;
use rules::{Both, rule};
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::topology::Direction;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The purposes as OpenSSL calls them.
const SERVER: &str = "sslserver";
const CLIENT: &str = "sslclient";

/// Chains of a run, and those that share a hierarchy.
const CHAINS: usize = 2_000;
const LEAVES: usize = 20;

/// The seed of most of a run, so that what a change breaks is seen by who makes it.
const USUAL_SEED: u64 = 5280;
/// One chain in so many is of a fresh seed, to come upon what no run has.
const FRESH: usize = 8;

/// Cases that are kept for who looks into a failure.
const TOLD: usize = 12;

/// A hierarchy with everything encoded.
struct Encoded {
    hierarchy: Hierarchy,
    authorities: Vec<Vec<u8>>,
    crls: Vec<Vec<u8>>,
    leaves: Vec<Vec<u8>>,
}

impl Encoded {
    fn new(hierarchy: Hierarchy, ring: &Ring) -> Self {
        let each = |list: &[Certificate]| list.iter().map(|c| c.der(ring)).collect();
        Self {
            authorities: each(&hierarchy.authorities),
            leaves: each(&hierarchy.leaves),
            crls: hierarchy.crls.iter().map(|crl| crl.der(ring)).collect(),
            hierarchy,
        }
    }

    fn authorities_pem(&self, positions: &[usize]) -> String {
        let at = |position: &usize| pem("CERTIFICATE", self.authorities.get(*position).unwrap());
        positions.iter().map(at).collect()
    }

    fn crls_pem(&self) -> Vec<String> {
        self.crls.iter().map(|crl| pem("X509 CRL", crl)).collect()
    }

    /// What a leaf's owner sends.
    fn chain(&self, leaf: usize) -> Vec<CertificateDer<'static>> {
        let sent = self.hierarchy.sent.iter();
        let above = sent.map(|at| self.authorities.get(*at).unwrap());
        std::iter::once(self.leaves.get(leaf).unwrap())
            .chain(above)
            .map(|der| CertificateDer::from(der.clone()))
            .collect()
    }

    /// What OpenSSL says of every leaf, for a purpose.
    fn opinions(&self, dir: &Path, purpose: &'static str) -> Vec<Opinion> {
        let question = Question {
            anchors: &self.authorities_pem(&self.hierarchy.anchors),
            sent: &self.authorities_pem(&self.hierarchy.sent),
            crls: &self.crls_pem().concat(),
            at: AT,
            purpose,
        };
        let files: Vec<PathBuf> = (0..self.leaves.len())
            .map(|number| dir.join(format!("leaf{number}.pem")))
            .collect();
        for (file, leaf) in files.iter().zip(&self.leaves) {
            std::fs::write(file, pem("CERTIFICATE", leaf)).unwrap();
        }
        let mut opinions = ask(dir, &question, &files);
        files
            .iter()
            .map(|file| opinions.remove(file).unwrap())
            .collect()
    }

    /// What OpenSSL says when it is given one path and nothing else: it goes no second way when the first fails.
    fn opinion_of(
        &self,
        dir: &Path,
        leaf: usize,
        path: &[usize],
        purpose: &'static str,
    ) -> Opinion {
        let (anchor, between) = path.split_last().unwrap();
        let crls: String = self
            .hierarchy
            .crls
            .iter()
            .zip(&self.crls)
            .filter(|(crl, _)| {
                path.iter().any(|at| {
                    let authority = self.hierarchy.authorities.get(*at).unwrap();
                    authority.key == crl.signer && authority.subject.is(&crl.issuer)
                })
            })
            .map(|(_, der)| pem("X509 CRL", der))
            .collect();
        let question = Question {
            anchors: &self.authorities_pem(&[*anchor]),
            sent: &self.authorities_pem(between),
            crls: &crls,
            at: AT,
            purpose,
        };
        let file = dir.join(format!("leaf{leaf}.pem"));
        ask(dir, &question, std::slice::from_ref(&file))
            .remove(&file)
            .unwrap()
    }
}

/// The name under which a leaf is a peer.
fn fqdn(leaf: &Certificate) -> &str {
    match leaf.names.first() {
        Some(Alternative::Dns(name)) => name,
        Some(Alternative::Uri(uri)) => uri.strip_prefix("sip:").unwrap(),
        _ => unreachable!("a leaf begins with its name"),
    }
}

struct Run<'r> {
    desk: Desk,
    ring: &'r Ring,
    dir: tempfile::TempDir,
    named: BTreeMap<&'static str, usize>,
    /// By what both said: how often, and the first such case.
    unnamed: BTreeMap<String, (usize, String)>,
    accepted: usize,
}

impl<'r> Run<'r> {
    fn new(ring: &'r Ring) -> Self {
        Self {
            desk: Desk::new(),
            ring,
            dir: tempfile::tempdir().unwrap(),
            named: BTreeMap::new(),
            unnamed: BTreeMap::new(),
            accepted: 0,
        }
    }

    fn hierarchy(&mut self, seed: u64) {
        let encoded = Encoded::new(grow(seed, LEAVES), self.ring);
        // Without any CRL a set must say that it asks for none, and OpenSSL was told to ask.
        if encoded.crls.is_empty() {
            return;
        }
        let names: Vec<&str> = encoded.hierarchy.leaves.iter().map(fqdn).collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(AT).unwrap()));
        let setting = Setting {
            fqdns: &names,
            anchors: &encoded.authorities_pem(&encoded.hierarchy.anchors),
            crls: &encoded.crls_pem(),
            trust: "",
            peer: "",
        };
        let generation = match self.desk.generation(&setting, at) {
            Ok(generation) => generation,
            // Its only root was signed by another key: it says so when it is loaded, and decides nothing.
            Err(faults)
                if faults
                    .iter()
                    .all(|fault| fault.code.code() == "anchor_missing") =>
            {
                return;
            }
            Err(faults) => panic!("seed {seed}: {faults:?}"),
        };
        let server = encoded.opinions(self.dir.path(), SERVER);
        let client = encoded.opinions(self.dir.path(), CLIENT);
        for (number, leaf) in encoded.hierarchy.leaves.iter().enumerate() {
            let chain = encoded.chain(number);
            let alone = RefCell::new(HashMap::new());
            let (server, client) = (server.get(number).unwrap(), client.get(number).unwrap());
            for direction in [Direction::Outbound, Direction::Inbound] {
                let told = judge(&generation, &chain, direction, fqdn(leaf), at);
                self.accepted += usize::from(told.accepted);
                // A listed server may show a certificate for either purpose when it connects.
                let opinions: &[&Opinion] = match direction {
                    Direction::Outbound => &[server],
                    Direction::Inbound => &[server, client],
                };
                if opinions.iter().any(|opinion| opinion.accepted) == told.accepted {
                    continue;
                }
                let both = Both {
                    hierarchy: &encoded.hierarchy,
                    leaf,
                    told: &told,
                    alone: &|path| {
                        let mut known = alone.borrow_mut();
                        let mut ask = |purpose| {
                            let asked = (path.to_vec(), purpose);
                            let opinion =
                                || encoded.opinion_of(self.dir.path(), number, path, purpose);
                            known.entry(asked).or_insert_with(opinion).clone()
                        };
                        match direction {
                            Direction::Outbound => vec![ask(SERVER)],
                            Direction::Inbound => vec![ask(SERVER), ask(CLIENT)],
                        }
                    },
                };
                match rule(&both) {
                    Some(rule) => *self.named.entry(rule).or_default() += 1,
                    None => self.unnamed(&encoded, (seed, number), direction, &told, opinions),
                }
            }
        }
    }

    /// Adds what another thread found.
    fn take(&mut self, other: Self) {
        self.accepted += other.accepted;
        for (rule, times) in other.named {
            *self.named.entry(rule).or_default() += times;
        }
        for (both, (times, case)) in other.unnamed {
            self.unnamed.entry(both).or_insert((0, case)).0 += times;
        }
    }

    fn unnamed(
        &mut self,
        encoded: &Encoded,
        (seed, number): (u64, usize),
        direction: Direction,
        told: &Told,
        opinions: &[&Opinion],
    ) {
        let said: Vec<_> = opinions.iter().map(|opinion| opinion.text()).collect();
        let both = format!(
            "{direction:?}: decided {}, OpenSSL {}",
            told.code,
            said.join(" and ")
        );
        let first = self.unnamed.is_empty() || !self.unnamed.contains_key(&both);
        let kept = if first && self.unnamed.len() < TOLD {
            keep(encoded, number).display().to_string()
        } else {
            "nowhere".to_owned()
        };
        let case = format!(
            "hierarchy {seed}, leaf {number} ({}), kept in {kept}",
            told.detail
        );
        self.unnamed.entry(both).or_insert((0, case)).0 += 1;
    }
}

/// Writes a case where it stays.
fn keep(encoded: &Encoded, leaf: usize) -> PathBuf {
    let mut builder = tempfile::Builder::new();
    let dir = builder.prefix("sipward-chain-").tempdir().unwrap().keep();
    encoded.opinions(&dir, SERVER);
    std::fs::write(dir.join("case.txt"), encoded.hierarchy.text(leaf)).unwrap();
    dir
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a fresh seed for each run; it is printed"
)]
fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() * 1000 + u64::from(since.subsec_millis())
}

#[test]
fn nothing_differs_from_openssl_but_what_a_rule_names() {
    if !openssl::is_there() {
        return;
    }
    let given = number_from("SIPWARD_CHAINS_SEED");
    let seed = given.unwrap_or_else(fresh_seed);
    let chains = number_from("SIPWARD_CHAINS").map_or(CHAINS, |n| usize::try_from(n).unwrap());
    println!("SIPWARD_CHAINS_SEED={seed} SIPWARD_CHAINS={chains}");
    let fresh = if given.is_some() {
        chains
    } else {
        chains / FRESH
    };
    let hierarchies = |seed: u64, chains: usize| {
        let mut random = Random::new(seed);
        (0..chains.div_ceil(LEAVES)).map(move |_| random.next())
    };
    let seeds: Vec<u64> = hierarchies(seed, fresh)
        .chain(hierarchies(USUAL_SEED, chains - fresh))
        .collect();
    let ring = Ring::new(KEYS);
    // Most of the time is OpenSSL's: two processes at a time.
    let run = std::thread::scope(|scope| {
        let (one, other) = seeds.split_at(seeds.len() / 2);
        let work = |seeds: &[u64]| {
            let mut run = Run::new(&ring);
            seeds.iter().for_each(|seed| run.hierarchy(*seed));
            run
        };
        let other = scope.spawn(move || work(other));
        let mut run = work(one);
        run.take(other.join().unwrap());
        run
    });
    println!("{} of {} verdicts are accepted", run.accepted, 2 * chains);
    for (rule, times) in &run.named {
        println!("{times:5} {rule}");
    }
    let shown = run.unnamed.iter();
    let shown: Vec<_> = shown
        .map(|(both, (times, first))| format!("{times:5} {both}; {first}"))
        .collect();
    assert!(
        shown.is_empty(),
        "differences without a rule, with SIPWARD_CHAINS_SEED={seed}:\n{}",
        shown.join("\n")
    );
}
