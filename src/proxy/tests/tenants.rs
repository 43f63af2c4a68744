//! A partner that knows this node by a name of its own: the Via and the loops of what is sent to it, before and after a reload.
use super::world::*;
use crate::proxy::LinkId;
use crate::topology::{DnsName, Topology};

/// The partner knows this node by this name; `None`: as everybody does.
fn known_as(advertise: Option<&str>) -> Topology {
    let mut topology = topology();
    topology.peers[2].advertise = advertise.map(|name| DnsName::parse(name).unwrap());
    topology
}

const NAMES: [&str; 2] = ["sbc.tenant-a.test", "sbc.tenant-b.test"];

/// A call from home that rings at the partner; gives the INVITE as that has it.
fn rings(w: &mut World, home: LinkId, partner: LinkId) -> String {
    let uri = "sip:eve@fabrikam.test";
    w.ask(
        home,
        Request::invite().uri(uri).to("<sip:eve@fabrikam.test>"),
    );
    let invite = w.expect(partner, "INVITE");
    w.rings(partner, &invite);
    w.expect(home, "SIP/2.0 180");
    invite
}

/// The topmost Via value.
fn via(message: &str) -> &str {
    field(message, "Via").unwrap()
}

#[test]
fn a_call_that_rings_over_a_change_of_advertise_is_cancelled_under_the_name_that_it_was_sent_by() {
    // To another name, to the common one, and from that to one of its own.
    for (before, after) in [
        (Some(NAMES[0]), Some(NAMES[1])),
        (Some(NAMES[0]), None),
        (None, Some(NAMES[0])),
    ] {
        for status in [487, 200] {
            let mut w = World::with(known_as(before), 2);
            let home = w.peer(FE01);
            let partner = w.peer_in(1, PARTNER);
            let dialled = w.dialled(PARTNER);
            let invite = rings(&mut w, home, dialled);
            let shown = before.unwrap_or(NODE);
            assert!(via(&invite).contains(&format!(" {shown}")), "{invite}");
            w.load(known_as(after));
            if status == 487 {
                w.ask(
                    home,
                    Request::of("CANCEL")
                        .uri("sip:eve@fabrikam.test")
                        .to("<sip:eve@fabrikam.test>"),
                );
                w.expect(home, "SIP/2.0 200");
                // RFC 3261 §9.1: one Via, equal to the topmost of what is cancelled.
                let cancel = w.expect(dialled, "CANCEL");
                assert_eq!(via(&cancel), via(&invite), "{after:?}");
            }
            // On another connection, which another shard reads.
            w.answers(partner, &invite, status);
            w.expect(home, &format!("SIP/2.0 {status}"));
            if status == 487 {
                let ack = w.expect(dialled, "ACK");
                assert_eq!(via(&ack), via(&invite), "{after:?}");
            }
            assert_eq!(w.reasons(), Vec::<&str>::new(), "{before:?} {after:?}");
        }
    }
}

#[test]
fn a_name_that_a_branch_was_not_sent_by_answers_nothing() {
    let mut w = World::with(known_as(Some(NAMES[0])), 1);
    let home = w.peer(FE01);
    let partner = w.dialled(PARTNER);
    let invite = rings(&mut w, home, partner);
    for other in [NAMES[1], "fe01.contoso.test"] {
        let forged = invite.replace(NAMES[0], other);
        w.answers(partner, &forged, 200);
        assert_eq!(w.reasons(), ["response_foreign_via"]);
        w.silent(home);
    }
    // The one that all others know is as good: the branch was seen.
    w.answers(partner, &invite.replace(NAMES[0], NODE), 200);
    w.expect(home, "SIP/2.0 200");
}

#[test]
fn a_loop_through_a_partner_that_knows_this_node_by_a_name_of_its_own_is_found() {
    let mut w = World::with(known_as(Some(NAMES[0])), 1);
    let home = w.peer(FE01);
    let partner = w.dialled(PARTNER);
    let first = rings(&mut w, home, partner);
    // The partner sends it in again under another URI, and the home server out again as it was.
    let lines = first.lines().filter(|line| line.starts_with("Via"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    let invite = Request::invite().uri("sip:eve@fabrikam.test");
    let invite = invite.to("<sip:eve@fabrikam.test>").branch("z9hG4bKtwo");
    let below = format!("{lines}Max-Forwards");
    w.send(
        home,
        &format!("{invite}\n").replacen("Max-Forwards", &below, 1),
    );
    w.refused(home, "SIP/2.0 482", "loop_detected");
}
