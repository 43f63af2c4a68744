//! Registrations that end, or are answered in another order than they were asked for, with one shard and with three.
use super::world::*;
use crate::proxy::LinkId;
use std::time::Duration;

const AOR: &str = "sip:alice@contoso.test";
const GRANTED: &str = "Contact: <sip:alice@10.0.0.1;transport=tls>;expires=600\n";

/// A phone, and its home server in each shard.
struct Site {
    w: World,
    homes: Vec<LinkId>,
    phone: LinkId,
    path: String,
}

fn each(test: impl Fn(Site)) {
    for shards in [1, 3] {
        let mut w = World::with(topology(), shards);
        let homes: Vec<LinkId> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let phone = w.client_in(1 % shards);
        let path = w.register(phone, homes[usize::from(1 % shards)], "");
        test(Site {
            w,
            homes,
            phone,
            path,
        });
    }
}

impl Site {
    fn home_of(&self, link: LinkId) -> LinkId {
        self.homes[usize::from(link.shard())]
    }

    /// The registrar drops what the phone has registered.
    fn unregister(&mut self) {
        let home = self.home_of(self.phone);
        let register = registration(AOR, "z9hG4bKend", "");
        self.w.send(self.phone, &register);
        let asked = self.w.pick(home, "REGISTER");
        self.w.answers(home, &asked, 200);
        self.w.pick(self.phone, "SIP/2.0 200");
    }

    /// A request of the other side.
    fn home_sends(&mut self, method: &str, route: &str, branch: &str) {
        let text = Request::of(method)
            .uri("sip:alice@10.0.0.1")
            .from("<sip:bob@contoso.test>;tag=b")
            .to("<sip:alice@contoso.test>;tag=a")
            .branch(branch)
            .more(route)
            .to_string();
        self.w.send(self.homes[0], &text);
    }

    /// The phone calls, and is answered; the Route of its dialog.
    fn calls(&mut self) -> String {
        let home = self.home_of(self.phone);
        self.w.ask(self.phone, Request::invite());
        let invite = self.w.expect(home, "INVITE");
        self.w.answers(home, &invite, 200);
        let ok = self.w.expect(self.phone, "SIP/2.0 200");
        route_of(&ok)
    }

    /// Both sides speak in the dialog, and nothing new reaches the phone.
    fn goes_on(&mut self, dialog: &str) {
        let home = self.home_of(self.phone);
        self.home_sends("INFO", dialog, "z9hG4bKinfo");
        let info = self.w.expect(self.phone, "INFO");
        self.w.answers(self.phone, &info, 200);
        self.w.expect(self.homes[0], "SIP/2.0 200");
        self.w.events.clear();
        let path = self.path.clone();
        self.home_sends("INVITE", &path, "z9hG4bKnew");
        self.w.refused(self.homes[0], "SIP/2.0 430", "flow_gone");
        let ack = Request::of("ACK").in_dialog().branch("z9hG4bKack");
        self.w.ask(self.phone, ack.more(dialog));
        self.w.expect(home, "ACK");
        let bye = Request::of("BYE").in_dialog().branch("z9hG4bKbye").cseq(2);
        self.w.ask(self.phone, bye.more(dialog));
        self.w.expect(home, "BYE");
        assert!(self.w.reasons().is_empty());
    }
}

#[test]
fn a_phone_that_has_unregistered_or_whose_time_is_over_goes_on_in_its_calls() {
    each(|mut site| {
        site.w.pass(Duration::from_secs(31));
        let dialog = site.calls();
        site.unregister();
        site.goes_on(&dialog);
    });
    each(|mut site| {
        let dialog = site.calls();
        site.w.pass(Duration::from_secs(3_960 + 61));
        site.goes_on(&dialog);
    });
}

#[test]
fn a_call_that_rings_is_cancelled_and_answered_after_its_end_of_registration() {
    each(|mut site| {
        let home = site.home_of(site.phone);
        site.w.ask(site.phone, Request::invite());
        let invite = site.w.expect(home, "INVITE");
        site.w.rings(home, &invite);
        site.w.expect(site.phone, "SIP/2.0 180");
        // And one that rings at the phone.
        let path = site.path.clone();
        site.home_sends("INVITE", &path, "z9hG4bKin");
        let rung = site.w.expect(site.phone, "INVITE");
        site.unregister();
        site.w.ask(site.phone, Request::of("CANCEL"));
        site.w.expect(site.phone, "SIP/2.0 200");
        site.w.pick(home, "CANCEL");
        site.w.answers(site.phone, &rung, 200);
        site.w.pick(site.homes[0], "SIP/2.0 200");
    });
}

#[test]
fn calls_follow_a_phone_that_registers_again_and_end_with_its_connection() {
    each(|mut site| {
        site.w.pass(Duration::from_secs(31));
        let dialog = site.calls();
        site.unregister();
        let before = site.phone;
        let kept = |site: &Site| -> usize {
            let envs = site.w.cores.iter().map(|core| &core.env);
            envs.map(|env| env.former.len()).sum()
        };
        assert_eq!(kept(&site), 1);
        site.phone = site.w.client_in(0);
        let path = site.w.register(site.phone, site.homes[0], "");
        assert_eq!((path, kept(&site)), (site.path.clone(), 0));
        site.home_sends("INFO", &dialog, "z9hG4bK1");
        site.w.expect(site.phone, "INFO");
        site.w.events.clear();
        let bye = Request::of("BYE").in_dialog().branch("z9hG4bK2");
        site.w.ask(before, bye.more(&dialog));
        site.w
            .refused(before, "SIP/2.0 403", "token_not_for_origin");
        site.unregister();
        assert_eq!(kept(&site), 1);
        site.w.lose(site.phone);
        assert_eq!(kept(&site), 0);
        site.home_sends("BYE", &dialog, "z9hG4bK3");
        site.w.pick(site.homes[0], "SIP/2.0 430");
    });
}

#[test]
fn what_a_connection_keeps_of_ended_registrations_is_bounded() {
    each(|mut site| {
        let home = site.home_of(site.phone);
        for round in 0..100 {
            let register = registration(AOR, &format!("z9hG4bKa{round}"), "")
                .replace("Call-ID: call-1", &format!("Call-ID: of-{round}"));
            for granted in [GRANTED, ""] {
                let register = register.replace(
                    "z9hG4bKa",
                    if granted.is_empty() {
                        "z9hG4bKb"
                    } else {
                        "z9hG4bKa"
                    },
                );
                site.w.send(site.phone, &register);
                let asked = site.w.pick(home, "REGISTER");
                site.w.send(home, &answer(&asked, "200 OK", granted));
                site.w.pick(site.phone, "SIP/2.0 200");
            }
        }
        let envs = site.w.cores.iter().map(|core| &core.env);
        assert_eq!(envs.map(|env| env.former.len()).sum::<usize>(), 32);
    });
}

#[test]
fn a_late_200_to_an_earlier_register_does_not_take_the_binding_back() {
    each(|mut site| {
        let shards = site.homes.len() as u8;
        let early = site.w.client_in(0);
        let late = site.w.client_in(2 % shards);
        let mut asked = Vec::new();
        for (cseq, link) in [(2, early), (3, late)] {
            let register = registration(AOR, &format!("z9hG4bKc{cseq}"), "")
                .replace("CSeq: 1", &format!("CSeq: {cseq}"));
            site.w.send(link, &register);
            let home = site.home_of(link);
            asked.push((home, site.w.pick(home, "REGISTER")));
            site.w.pass(Duration::from_millis(50));
        }
        for (home, register) in asked.iter().rev() {
            site.w.send(*home, &answer(register, "200 OK", GRANTED));
        }
        site.w.pick(early, "SIP/2.0 200");
        site.w.pick(late, "SIP/2.0 200");
        let path = site.path.clone();
        site.home_sends("INVITE", &path, "z9hG4bKcall");
        site.w.expect(late, "INVITE");
        site.w.silent(early);
        assert_eq!(site.w.kept[&early], None);
        assert!(site.w.kept[&late].is_some());
    });
}

#[test]
fn a_phone_that_jumps_between_connections_has_its_calls_follow_in_bounded_steps() {
    each(|mut site| {
        let (first, shards) = (site.phone, site.homes.len() as u8);
        let path = site.path.clone();
        for call in 0..400 {
            site.home_sends("INVITE", &path, &format!("z9hG4bK{call}"));
        }
        let arrived = |site: &mut Site, link| {
            let mut count = 0;
            while let Some(got) = site.w.take(link) {
                count += usize::from(got.starts_with("INVITE"));
            }
            count
        };
        assert_eq!(arrived(&mut site, first), 400);
        let second = site.w.client_in(2 % shards);
        let mut again = 0;
        for _ in 0..20 {
            for link in [second, first] {
                let home = site.home_of(link);
                assert_eq!(site.w.register(link, home, ""), path);
            }
            again += arrived(&mut site, first) + arrived(&mut site, second);
        }
        assert!(again <= 3 * 64, "{again} at one time");
        // In the end all are where it is, in so many steps.
        let home = site.home_of(second);
        site.w.register(second, home, "");
        let before = arrived(&mut site, second);
        assert!(before <= 3 * 64, "{before} in one step");
        site.w.pass(Duration::from_secs(2));
        let after = arrived(&mut site, second) + before;
        assert!((200..=400).contains(&after), "{after} have followed");
        let on = |site: &Site, link| -> usize {
            let envs = site.w.cores.iter().map(|core| &core.env.links);
            envs.filter_map(|links| links.get(link))
                .map(|link| link.branches.len())
                .sum()
        };
        assert_eq!((on(&site, first), on(&site, second)), (0, 400));
    });
}

/// A phone without an instance whose address has changed registers the new contact and drops the old one, under one Call-ID.
#[test]
fn a_phone_that_drops_its_old_contact_is_reached_at_its_new_one() {
    let [old, new] = [
        "<sip:alice@10.0.0.1;transport=tls>",
        "<sip:alice@10.0.0.2;transport=tls>",
    ];
    for shards in [1, 3] {
        // The old contact is dropped over the connection of the new one, or over one of its own.
        for over_another in [false, true] {
            let mut w = World::with(topology(), shards);
            let homes: Vec<LinkId> = (0..shards).map(|at| w.peer_in(at, FE01)).collect();
            let (phone, other) = (w.client_in(1 % shards), w.client_in(2 % shards));
            w.pass(Duration::from_secs(31));
            let mut branch = 0;
            let mut registers = |w: &mut World, link: LinkId, asked: &str, listed: &str| {
                branch += 1;
                let home = homes[usize::from(link.shard())];
                let text = registration("sip:alice@contoso.test", &format!("z9hG4bKr{branch}"), "");
                w.send(link, &text.replace(old, asked));
                let register = w.pick(home, "REGISTER");
                w.send(home, &answer(&register, "200 OK", listed));
                w.pick(link, "SIP/2.0 200");
                // What comes later counts.
                w.pass(Duration::from_millis(5));
                format!("Route: {}\n", field(&register, "Path").unwrap())
            };
            let both = format!("Contact: {old};expires=600, {new};expires=600\n");
            let left = format!("Contact: {new};expires=600\n");
            let path = registers(&mut w, phone, old, &format!("Contact: {old};expires=600\n"));
            registers(&mut w, phone, new, &both);
            let by = if over_another { other } else { phone };
            let dropped = format!("{old};expires=0");
            assert_eq!(registers(&mut w, by, &dropped, &left), path);
            let call = |branch: &str| {
                let call = Request::invite().uri("sip:alice@10.0.0.2").branch(branch);
                call.from("<sip:bob@contoso.test>;tag=b")
                    .more(&path)
                    .to_string()
            };
            w.send(homes[0], &call("z9hG4bK1"));
            w.expect(phone, "INVITE");
            // The contact that it has.
            registers(&mut w, by, &format!("{new};expires=0"), "");
            w.events.clear();
            w.send(homes[0], &call("z9hG4bK2"));
            w.refused(homes[0], "SIP/2.0 430", "flow_gone");
        }
    }
}
