//! Addresses of peers by DNS (RFC 3263 §4): SRV, then A and AAAA, kept for their TTL, and the last good answer for a while
//! when no name server answers. What DNS answers is a hint: who is there must still prove to be the peer.
use super::addresses::{Service, has_route, in_turn, preferred};
use super::clock;
use super::dns_query::{DnsAnswer, DnsQuestion, Family, build, query};
use crate::reason::{ConnectionReason, Reason};
use crate::topology::{DialAddress, DnsName, DnsSettings, Lookup, Peer};
use hickory_resolver::TokioResolver;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The port of SIP over TLS (RFC 3261 §19.1.2).
const SIPS_PORT: u16 = 5061;
/// Targets of one service that are asked for, and addresses of one host that are kept.
const MOST_TARGETS: usize = 8;
const MOST_ADDRESSES: usize = 8;
/// Answers that are kept. SRV targets are names that the answer chooses, so that a name server could have others asked
/// for without end.
const MOST_ANSWERS: usize = 4_096;
/// No answer is believed for longer, whatever its TTL.
const LONGEST_TTL: Duration = Duration::from_secs(86_400);
/// How long name servers that did not answer are not asked again for what is kept.
const SILENCE: Duration = Duration::from_secs(5);

/// An answer that was given before.
struct CachedAnswer {
    answer: DnsAnswer,
    /// The end of its TTL; for `dns.stale` after that it serves while the name servers are silent.
    fresh_until: Instant,
    /// Whether it has led to the peer: who is there has proven the name.
    proven: bool,
    /// The last one that had, if this one differs from it and has not: should it lead to somebody else, that one serves again.
    before: Option<(DnsAnswer, Instant)>,
}

/// Why a peer has no address now: the codes of `peer_disconnected`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAddress {
    /// The name has none.
    None,
    /// The domain declares that the service is not there (RFC 2782: a target of ".").
    NoService,
    /// No name server answered.
    Failed,
}

impl NoAddress {
    /// As the log and the waiting requests name it.
    pub(super) fn reason(self) -> Reason {
        let reason = match self {
            Self::None => ConnectionReason::NoAddress,
            Self::NoService => ConnectionReason::NoService,
            Self::Failed => ConnectionReason::LookupFailed,
        };
        reason.into()
    }
}

/// The addresses of a peer in the order in which they are tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PeerAddresses {
    /// At least one; the first is tried first.
    pub(super) addresses: Vec<SocketAddr>,
    /// Whether an answer past its TTL was used, since no name server answered.
    pub(super) stale: bool,
    /// The answers that they are from.
    asked: Vec<DnsQuestion>,
}

/// The resolver of one shard. Each has its own, with its own cache: shards share nothing, and peers are few.
pub(super) struct AddressResolver {
    /// `None`: the library refuses the settings; then only addresses of the topology can be dialled.
    resolver: Option<TokioResolver>,
    /// As the topology has them, to see at a reload whether the name servers are the same.
    settings: DnsSettings,
    /// At most [`MOST_ANSWERS`].
    kept: RefCell<HashMap<DnsQuestion, CachedAnswer>>,
    /// No name server answered: until then nobody waits for one who can do with what is kept.
    silent_until: Cell<Option<Instant>>,
}

impl AddressResolver {
    /// Reads the system's settings where the topology has none.
    pub(super) fn new(settings: &DnsSettings) -> Self {
        Self {
            resolver: build(settings).ok(),
            settings: settings.clone(),
            kept: RefCell::default(),
            silent_until: Cell::default(),
        }
    }

    /// The same under new settings; what is kept stays if the same name servers would be asked, so that a reload while
    /// they are silent costs nobody the last good answer.
    pub(super) fn renewed(&self, settings: &DnsSettings) -> Self {
        let new = Self::new(settings);
        if self.settings.servers == settings.servers {
            new.kept.swap(&self.kept);
        }
        new
    }

    /// Where to dial a peer: at the topology's addresses, else by the peer's service and then its name.
    ///
    /// # Errors
    /// There is no address.
    pub(super) async fn find(
        &self,
        peer: &Peer,
        name: Option<&DnsName>,
    ) -> Result<PeerAddresses, NoAddress> {
        let mut found = PeerAddresses {
            addresses: Vec::new(),
            stale: false,
            asked: Vec::new(),
        };
        // A covered name is asked for itself, and the port is the entry's: a Route chooses neither.
        if let Some(name) = name {
            // No SRV: it could lead to another port than the entry's.
            self.host(name.as_str(), peer.port(), &mut found).await?;
            return Ok(found);
        }
        // Addresses of the topology come first and alone: who lists them wants no DNS.
        if peer.addresses.is_empty() {
            self.by_service(peer, &mut found).await?;
            return Ok(found);
        }
        let mut failure = NoAddress::None;
        for address in &peer.addresses {
            match address {
                DialAddress::Socket(address) => found.addresses.push(*address),
                // One host that is not found is no failure while another address is known.
                DialAddress::Host(host, port) => {
                    if let Err(why) = self.host(host, *port, &mut found).await {
                        failure = why;
                    }
                }
            }
        }
        if found.addresses.is_empty() {
            return Err(failure);
        }
        Ok(found)
    }

    /// RFC 3263 §4.1, §4.2 for TLS: SRV, and without one A and AAAA at the default port. NAPTR would only choose a
    /// transport, and there is one.
    async fn by_service(&self, peer: &Peer, found: &mut PeerAddresses) -> Result<(), NoAddress> {
        let names: Vec<String> = match peer.dns {
            Lookup::Sip => vec![format!("_sips._tcp.{}", peer.fqdn)],
            Lookup::Federation => peer
                .domains
                .iter()
                .filter_map(|domain| domain.name())
                .map(|domain| format!("_sipfederationtls._tcp.{domain}"))
                .collect(),
            Lookup::Address => Vec::new(),
        };
        // Federation has one service for each domain of the peer; the first that exists counts, as all lead to one peer.
        for name in names {
            let services = self.services(&name, found).await?;
            // No such service: the next name, and at last the host itself.
            if services.is_empty() {
                continue;
            }
            if services.iter().all(|s| s.target.is_empty()) {
                return Err(NoAddress::NoService);
            }
            let mut failure = NoAddress::None;
            // In the order in which they are to be tried, and no more of them than a caller has patience
            // for.
            for service in in_turn(services, random).into_iter().take(MOST_TARGETS) {
                // RFC 7984 §4: one target's addresses together, before those of the next.
                if let Err(why) = self.host(&service.target, service.port, found).await {
                    failure = why;
                }
            }
            if found.addresses.is_empty() {
                return Err(failure);
            }
            return Ok(());
        }
        self.host(peer.fqdn.as_str(), SIPS_PORT, found).await
    }

    /// The targets of a service.
    async fn services(
        &self,
        name: &str,
        found: &mut PeerAddresses,
    ) -> Result<Vec<Service>, NoAddress> {
        let question = DnsQuestion::Service(name.to_owned());
        found.asked.push(question.clone());
        match self.ask(question).await? {
            (DnsAnswer::Services(services), stale) => {
                found.stale |= stale;
                Ok(services)
            }
            (DnsAnswer::Addresses(_), _) => Ok(Vec::new()),
        }
    }

    /// A and AAAA of one host, both asked for at once; either will do.
    async fn host(
        &self,
        host: &str,
        port: u16,
        found: &mut PeerAddresses,
    ) -> Result<(), NoAddress> {
        let questions = [Family::V6, Family::V4].map(|it| DnsQuestion::Host(host.to_owned(), it));
        found.asked.extend(questions.clone());
        let [v6, v4] = questions;
        // Together: one after the other would double what a caller waits for.
        let (v6, v4) = tokio::join!(self.ask(v6), self.ask(v4));
        // An empty answer for one family is usual; a failure of either means that the host may well have addresses.
        let failed = v6.is_err() || v4.is_err();
        let mut addresses = Vec::new();
        for (answer, stale) in [v6, v4].into_iter().flatten() {
            if let DnsAnswer::Addresses(some) = answer {
                // An outdated "no such name" adds nothing that could be wrong.
                found.stale |= stale && !some.is_empty();
                addresses.extend(some.into_iter().take(MOST_ADDRESSES));
            }
        }
        if addresses.is_empty() {
            return Err(if failed {
                NoAddress::Failed
            } else {
                NoAddress::None
            });
        }
        // A host without IPv6 must not wait for the timeout of addresses that it cannot reach.
        preferred(&mut addresses, has_route);
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        found.addresses.extend(addresses);
        Ok(())
    }

    /// One question: what is kept and fresh, else what a name server answers, else what it answered last. The second of
    /// the pair: whether it is past its TTL.
    async fn ask(&self, question: DnsQuestion) -> Result<(DnsAnswer, bool), NoAddress> {
        let now = clock::now();
        if let Some(kept) = self.kept.borrow().get(&question) {
            if kept.fresh_until > now {
                return Ok((kept.answer.clone(), false));
            }
            // Past its TTL. While the name servers are silent a caller does not wait for their timeout each time.
            let silent = self.silent_until.get().is_some_and(|until| until > now);
            if silent && kept.fresh_until + self.settings.stale > now {
                return Ok((kept.answer.clone(), true));
            }
        }
        // The bound is that of the topology, over all name servers and tries.
        let asked = match &self.resolver {
            Some(resolver) => {
                tokio::time::timeout(self.settings.timeout, query(resolver, &question))
                    .await
                    .ok()
                    .flatten()
            }
            None => None,
        };
        let now = clock::now();
        let Some((answer, ttl)) = asked else {
            self.silent_until.set(Some(now + SILENCE));
            return match self.kept.borrow().get(&question) {
                Some(kept) if kept.fresh_until + self.settings.stale > now => {
                    Ok((kept.answer.clone(), true))
                }
                Some(_) | None => Err(NoAddress::Failed),
            };
        };
        // One answer is enough: they are back.
        self.silent_until.set(None);
        self.keep(question, answer.clone(), now + ttl.min(LONGEST_TTL), now);
        Ok((answer, false))
    }

    /// Keeps an answer. When there is no room the outdated ones go, and if that is not enough all of them: asking again is
    /// cheap, and which of them matter is not known.
    fn keep(&self, question: DnsQuestion, answer: DnsAnswer, fresh_until: Instant, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MOST_ANSWERS {
            let stale = self.settings.stale;
            kept.retain(|_, k| k.fresh_until + stale > now);
            if kept.len() >= MOST_ANSWERS {
                kept.clear();
            }
        }
        let known = kept.remove(&question);
        let is_same = known.as_ref().is_some_and(|known| known.answer == answer);
        let (proven, before) = match known {
            Some(known) if is_same => (known.proven, known.before),
            Some(known) if known.proven => (false, Some((known.answer, known.fresh_until))),
            // Neither of the two has led to the peer: what has done so last stays.
            Some(known) => (false, known.before),
            None => (false, None),
        };
        kept.insert(
            question,
            CachedAnswer {
                answer,
                fresh_until,
                proven,
                before,
            },
        );
    }

    /// Who was found has proven to be the peer: so have the answers that have led there.
    pub(super) fn prove(&self, found: &PeerAddresses) {
        let mut kept = self.kept.borrow_mut();
        for question in &found.asked {
            if let Some(kept) = kept.get_mut(question) {
                kept.proven = true;
                kept.before = None;
            }
        }
    }

    /// Nobody was found there: the answers are asked for again the next time, and serve on while no name server answers.
    pub(super) fn doubt(&self, found: &PeerAddresses, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        for question in &found.asked {
            if let Some(kept) = kept.get_mut(question) {
                kept.fresh_until = kept.fresh_until.min(now);
            }
        }
    }

    /// Who was found is somebody else: the answers that have led there are asked for again at once, whatever their TTL, and serve
    /// no more while no name server answers, unless they have led to the peer before.
    pub(super) fn disprove(&self, found: &PeerAddresses, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        for question in &found.asked {
            let Some(mut wrong) = kept.remove(question) else {
                continue;
            };
            wrong.fresh_until = wrong.fresh_until.min(now);
            if !wrong.proven {
                let Some((answer, fresh_until)) = wrong.before.take() else {
                    continue;
                };
                wrong = CachedAnswer {
                    answer,
                    fresh_until: fresh_until.min(now),
                    proven: true,
                    before: None,
                };
            }
            kept.insert(question.clone(), wrong);
        }
    }
}

/// From 0 to `most`, both included. Without randomness the first target is chosen: worse balanced, no less right.
fn random(most: u32) -> u32 {
    let mut bytes = [0; 8];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    (u64::from_le_bytes(bytes) % (u64::from(most) + 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Domain, IdentityRef};
    use sipward_lab::{Data, NameServer};
    use std::net::{Ipv4Addr, Ipv6Addr};

    const FE01: &str = "fe01.contoso.test";
    const SIPS: &str = "_sips._tcp.fe01.contoso.test";

    fn settings(server: &NameServer) -> DnsSettings {
        DnsSettings {
            servers: vec![server.address()],
            timeout: Duration::from_secs(1),
            stale: Duration::from_secs(60),
        }
    }

    fn peer(dns: Lookup) -> Peer {
        let mut peer = Peer::named(DnsName::parse(FE01).unwrap(), IdentityRef(0));
        peer.dns = dns;
        peer.domains = ["contoso.test", "fabrikam.test"]
            .map(|domain| Domain::parse(domain).unwrap())
            .to_vec();
        peer
    }

    fn v4(last: u8) -> Data {
        Data::Address(Ipv4Addr::new(192, 0, 2, last).into())
    }

    fn service(priority: u16, port: u16, target: &str) -> Data {
        Data::Service(priority, 0, port, target.to_owned())
    }

    async fn find(resolver: &AddressResolver, dns: Lookup) -> Result<Vec<String>, NoAddress> {
        let found = resolver.find(&peer(dns), None).await?;
        Ok(found.addresses.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn targets_follow_their_priority_and_keep_their_addresses_together() {
        let server = NameServer::start().unwrap();
        server.set(
            SIPS,
            60,
            &[
                service(20, 5071, "b.contoso.test"),
                service(10, 5061, "a.contoso.test"),
                service(15, 5061, "nowhere.contoso.test"),
            ],
        );
        server.set("a.contoso.test", 60, &[v4(1), v4(2)]);
        server.set("b.contoso.test", 60, &[v4(3)]);
        let resolver = AddressResolver::new(&settings(&server));
        let found = find(&resolver, Lookup::Sip).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], "192.0.2.3:5071");
        assert!(found[..2].iter().all(|a| a.ends_with(":5061")), "{found:?}");
    }

    #[tokio::test]
    async fn without_a_service_the_name_itself_is_asked_for_in_both_families() {
        let server = NameServer::start().unwrap();
        server.set(
            FE01,
            60,
            &[v4(1), Data::Address(Ipv6Addr::LOCALHOST.into())],
        );
        let resolver = AddressResolver::new(&settings(&server));
        let mut found = find(&resolver, Lookup::Sip).await.unwrap();
        found.sort();
        assert_eq!(found, ["192.0.2.1:5061", "[::1]:5061"]);
        assert_eq!(server.asked(SIPS), 1);
        assert_eq!(find(&resolver, Lookup::Address).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_target_of_a_dot_means_that_the_service_is_not_there() {
        let server = NameServer::start().unwrap();
        server.set(SIPS, 60, &[service(0, 0, ".")]);
        server.set(FE01, 60, &[v4(1)]);
        let resolver = AddressResolver::new(&settings(&server));
        assert_eq!(
            find(&resolver, Lookup::Sip).await,
            Err(NoAddress::NoService)
        );
    }

    #[tokio::test]
    async fn a_federated_peer_is_found_by_the_service_of_its_domains() {
        let server = NameServer::start().unwrap();
        server.set(
            "_sipfederationtls._tcp.fabrikam.test",
            60,
            &[service(0, 5061, "sip.fabrikam.test")],
        );
        server.set("sip.fabrikam.test", 60, &[v4(9)]);
        let resolver = AddressResolver::new(&settings(&server));
        assert_eq!(
            find(&resolver, Lookup::Federation).await.unwrap(),
            ["192.0.2.9:5061"]
        );
        assert_eq!(server.asked("_sipfederationtls._tcp.contoso.test"), 1);
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_ttl_and_no_longer() {
        let server = NameServer::start().unwrap();
        server.set(SIPS, 60, &[service(0, 5061, "a.contoso.test")]);
        server.set("a.contoso.test", 0, &[v4(1)]);
        let resolver = AddressResolver::new(&settings(&server));
        find(&resolver, Lookup::Sip).await.unwrap();
        server.set("a.contoso.test", 0, &[v4(2)]);
        assert_eq!(
            find(&resolver, Lookup::Sip).await.unwrap(),
            ["192.0.2.2:5061"]
        );
        assert_eq!(server.asked(SIPS), 1);
        // What is gone is gone, whatever was kept.
        server.set("a.contoso.test", 0, &[]);
        assert_eq!(find(&resolver, Lookup::Sip).await, Err(NoAddress::None));
    }

    #[tokio::test]
    async fn while_no_name_server_answers_the_last_good_answer_serves_for_its_time() {
        let server = NameServer::start().unwrap();
        server.set(SIPS, 0, &[service(0, 5061, "a.contoso.test")]);
        server.set("a.contoso.test", 0, &[v4(1)]);
        let resolver = AddressResolver::new(&settings(&server));
        assert!(!resolver.find(&peer(Lookup::Sip), None).await.unwrap().stale);
        server.set_silent(true);
        let found = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        assert!(found.stale);
        assert_eq!(found.addresses.len(), 1);
        // The cache goes along with a reload, unless other name servers are asked.
        let renewed = resolver.renewed(&settings(&server));
        assert!(renewed.find(&peer(Lookup::Sip), None).await.unwrap().stale);
        let unforgiving = renewed.renewed(&DnsSettings {
            stale: Duration::ZERO,
            ..settings(&server)
        });
        assert_eq!(
            unforgiving.find(&peer(Lookup::Sip), None).await,
            Err(NoAddress::Failed)
        );
        let fresh = AddressResolver::new(&settings(&server));
        assert_eq!(
            fresh.find(&peer(Lookup::Sip), None).await,
            Err(NoAddress::Failed)
        );
    }

    #[tokio::test]
    async fn what_led_to_somebody_else_is_asked_for_again_and_never_serves_in_silence() {
        let server = NameServer::start().unwrap();
        let host = "a.contoso.test";
        server.set(SIPS, 3600, &[service(0, 5061, host)]);
        server.set(host, 0, &[v4(1)]);
        let resolver = AddressResolver::new(&settings(&server));
        let honest = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        resolver.prove(&honest);
        // It is to be kept for an hour, and is not.
        server.set(host, 3600, &[v4(66)]);
        let poisoned = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        assert_ne!(poisoned.addresses, honest.addresses);
        resolver.disprove(&poisoned, clock::now());
        server.set_silent(true);
        let found = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        assert!(found.stale);
        assert_eq!(found.addresses, honest.addresses);
        // Twice wrong in a row: the one that was right is still known.
        server.set_silent(false);
        for last in [67, 68] {
            server.set(host, 0, &[v4(last)]);
            let found = resolver.find(&peer(Lookup::Sip), None).await;
            if last == 68 {
                resolver.disprove(&found.unwrap(), clock::now());
            }
        }
        server.set_silent(true);
        resolver.silent_until.set(None);
        let found = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        assert_eq!(found.addresses, honest.addresses);
    }

    #[tokio::test]
    async fn without_an_answer_that_was_ever_right_a_wrong_one_leaves_none() {
        let server = NameServer::start().unwrap();
        server.set(SIPS, 3600, &[service(0, 5061, "a.contoso.test")]);
        server.set("a.contoso.test", 3600, &[v4(66)]);
        let resolver = AddressResolver::new(&settings(&server));
        let poisoned = resolver.find(&peer(Lookup::Sip), None).await.unwrap();
        resolver.disprove(&poisoned, clock::now());
        server.set_silent(true);
        assert_eq!(find(&resolver, Lookup::Sip).await, Err(NoAddress::Failed));
    }

    #[tokio::test]
    async fn an_address_of_the_topology_asks_nobody_and_a_host_name_asks_for_no_service() {
        let server = NameServer::start().unwrap();
        server.set("sbc.contoso.test", 60, &[v4(7)]);
        let resolver = AddressResolver::new(&settings(&server));
        let mut peer = peer(Lookup::Sip);
        peer.addresses = vec![
            DialAddress::Socket("192.0.2.200:5061".parse().unwrap()),
            DialAddress::Host("sbc.contoso.test".to_owned(), 5081),
        ];
        let found = resolver.find(&peer, None).await.unwrap();
        let found: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.200:5061", "192.0.2.7:5081"]);
        assert_eq!(server.asked("_sips._tcp.sbc.contoso.test"), 0);
    }
}
