//! Registrars that keep no Path (`[[pool]] path = "contact"`): the Contact of a REGISTER is a URI of this node to them, and
//! what they send there arrives at the client as if it had been sent to its own.
use super::world::*;
use crate::proxy::{LinkId, TokenKeys};
use crate::topology::{ClientPath, Topology};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// What alice registers, as its Request-URI is to be.
const OWN: &str = "sip:alice@10.0.0.1;transport=tls";

fn site() -> Topology {
    let mut topology = topology();
    topology.pools[0].path = ClientPath::Contact;
    topology
}

fn world(shards: u8) -> World {
    World::with(site(), shards)
}

/// A URI of this node that holds a contact.
#[track_caller]
fn assert_covered(value: &str) {
    let user = value.split("<sip:c.").nth(1).unwrap_or_default();
    let (token, rest) = user.split_once('@').unwrap_or_default();
    assert!(token.len() > 60, "{value}");
    assert!(
        rest.starts_with("edge01.contoso.test;transport=tls>"),
        "{value}"
    );
    assert!(!value.contains("10.0."), "{value}");
}

/// The client registers alice with these fields; what the registrar sees, and the client of its answer.
fn registers(
    w: &mut World,
    (client, home): (LinkId, LinkId),
    fields: &str,
    answered: impl Fn(&str) -> String,
) -> (String, String) {
    let call = format!("z9hG4bKreg{}", w.events.len());
    let register = Request::of("REGISTER")
        .uri("sip:contoso.test")
        .from("<sip:alice@contoso.test>;tag=r")
        .to("<sip:alice@contoso.test>")
        .branch(&call)
        .more(fields)
        .to_string();
    w.send(client, &register);
    let asked = w.pick(home, "REGISTER");
    w.answers_with(home, &asked, 200, &answered(&asked));
    (asked, w.pick(client, "SIP/2.0 200"))
}

/// As a client with one contact does; the URI that the registrar keeps.
fn registered(w: &mut World, client: LinkId, home: LinkId) -> String {
    let granted = |asked: &str| format!("Contact: {}\nExpires: 3600\n", contact(asked));
    let more = format!("Contact: <{OWN}>\n");
    let (asked, ok) = registers(w, (client, home), &more, granted);
    assert_eq!(contact(&ok), format!("<{OWN}>"));
    uri(&contact(&asked))
}

fn contact(message: &str) -> String {
    field(message, "Contact").unwrap().to_owned()
}

fn uri(contact: &str) -> String {
    let uri = contact.split(['<', '>']).nth(1);
    uri.unwrap().to_owned()
}

/// A request of a home server, outside of a dialog.
fn calls(w: &mut World, home: LinkId, method: &str, uri: &str, branch: &str, more: &str) {
    let request = Request::of(method)
        .uri(uri)
        .from("<sip:bob@contoso.test>;tag=b")
        .to("<sip:alice@contoso.test>")
        .branch(branch)
        .more(more);
    w.ask(home, request);
}

#[test]
fn the_registrar_keeps_uris_of_this_node_and_the_client_sees_its_own() {
    let mut w = world(1);
    let (client, home) = (w.client(), w.peer(FE01));
    let phone = ";q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let fields = format!(
        "m: \"A, b\" <sip:alice@10.0.0.1>{phone}, sip:alice@10.0.0.2;expires=60\n\
         Contact: <sips:alice@10.0.0.3:5061;ob?Subject=hi>, <tel:+4930123>\n\
         Path: <sip:evil.test;lr>\nSupported: outbound\n"
    );
    // Another device of alice's, and one that came to the registrar by itself.
    let (other, _) = registers(
        &mut w,
        (client, home),
        "Contact: <sip:a@10.0.9.9>\n",
        |_| String::new(),
    );
    let other = contact(&other);
    let (asked, ok) = registers(&mut w, (client, home), &fields, |asked| {
        let mut own = fields_of(asked, "m").join(", ");
        own += ", ";
        own += &fields_of(asked, "Contact").join(", ");
        format!("Contact: {own}, {other};expires=9\nm: <sip:alice@10.0.0.9>;expires=7\n")
    });
    let sent = fields_of(&asked, "m")[0].clone();
    let (first, second) = sent.split_once(", <").unwrap();
    assert!(first.starts_with("\"A, b\" <sip:c."), "{first}");
    assert!(first.ends_with(&format!(">{phone}")), "{first}");
    assert_covered(first);
    assert!(
        second.ends_with("@edge01.contoso.test;transport=tls>;expires=60"),
        "{second}"
    );
    let sent = fields_of(&asked, "Contact")[0].clone();
    assert!(sent.starts_with("<sips:c."), "{sent}");
    assert!(
        sent.ends_with("@edge01.contoso.test>, <tel:+4930123>"),
        "{sent}"
    );
    // No Path is added, announced or let through.
    assert!(
        !asked.contains("evil") && field(&asked, "Path").is_none(),
        "{asked}"
    );
    assert_eq!(fields_of(&asked, "Supported"), ["outbound"]);
    let seen = [fields_of(&ok, "Contact"), fields_of(&ok, "m")]
        .concat()
        .join(" | ");
    assert_eq!(
        seen,
        format!(
            "\"A, b\" <sip:alice@10.0.0.1>{phone}, <sip:alice@10.0.0.2>;expires=60, \
             <sips:alice@10.0.0.3:5061;ob?Subject=hi>, <tel:+4930123>, <sip:a@10.0.9.9>;expires=9 | \
             <sip:alice@10.0.0.9>;expires=7"
        )
    );
}

fn fields_of(message: &str, name: &str) -> Vec<String> {
    fields(message, name)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_star_and_a_query_stay_as_they_are() {
    let mut w = world(1);
    let (client, home) = (w.client(), w.peer(FE01));
    let kept = registered(&mut w, client, home);
    let (asked, ok) = registers(&mut w, (client, home), "", |_| {
        format!("Contact: <{kept}>;expires=3000\n")
    });
    assert_eq!(field(&asked, "Contact"), None);
    assert_eq!(contact(&ok), format!("<{OWN}>;expires=3000"));
    w.pass(31 * SECOND);
    calls(&mut w, home, "MESSAGE", &kept, "z9hG4bK1", "");
    w.expect(client, &format!("MESSAGE {OWN} SIP/2.0"));
    let star = "Contact: *\nExpires: 0\n";
    let (asked, _) = registers(&mut w, (client, home), star, |_| String::new());
    assert_eq!(contact(&asked), "*");
    w.events.clear();
    calls(&mut w, home, "MESSAGE", &kept, "z9hG4bK2", "");
    w.refused(home, "SIP/2.0 430", "flow_gone");
}

#[test]
fn what_the_registrar_sends_there_arrives_on_the_connection_that_the_phone_has_then() {
    for shards in [1, 3] {
        let mut w = world(shards);
        let homes: Vec<LinkId> = (0..shards).map(|shard| w.peer_in(shard, FE01)).collect();
        let mut kept = String::new();
        for round in 0..3 {
            let shard = (round + 1) % shards;
            let client = w.client_in(shard);
            let again = registered(&mut w, client, homes[usize::from(shard)]);
            assert!(round == 0 || kept == again, "one URI for one device");
            kept = again;
            for method in ["INVITE", "NOTIFY", "MESSAGE", "OPTIONS"] {
                let branch = format!("z9hG4bK{method}{round}");
                calls(&mut w, homes[0], method, &kept, &branch, "");
                let got = w.expect(client, &format!("{method} {OWN} SIP/2.0"));
                assert!(!got.contains("sip:c."), "{got}");
                w.answers(client, &got, 200);
                w.expect(homes[0], "SIP/2.0 200");
            }
            // Its ACK and CANCEL name the same URI.
            calls(
                &mut w,
                homes[0],
                "INVITE",
                &kept,
                &format!("z9hG4bKc{round}"),
                "",
            );
            let rung = w.expect(client, "INVITE");
            w.rings(client, &rung);
            w.expect(homes[0], "SIP/2.0 180");
            calls(
                &mut w,
                homes[0],
                "CANCEL",
                &kept,
                &format!("z9hG4bKc{round}"),
                "",
            );
            w.expect(homes[0], "SIP/2.0 200");
            w.expect(client, &format!("CANCEL {OWN} SIP/2.0"));
            w.answers(client, &rung, 487);
            w.expect(client, &format!("ACK {OWN} SIP/2.0"));
            w.expect(homes[0], "SIP/2.0 487");
            w.lose(client);
        }
        assert!(w.reasons().is_empty());
        // And where nobody has come back.
        w.pass(31 * SECOND);
        w.events.clear();
        calls(&mut w, homes[0], "INVITE", &kept, "z9hG4bKlate", "");
        w.refused(homes[0], "SIP/2.0 430", "flow_gone");
    }
}

/// The dialog's routes and contacts are those of the two ends.
#[test]
fn a_dialog_that_began_there_runs_by_its_routes() {
    let mut w = world(1);
    let (client, home) = (w.client(), w.peer(FE01));
    let kept = registered(&mut w, client, home);
    calls(
        &mut w,
        home,
        "INVITE",
        &kept,
        "z9hG4bK1",
        "Contact: <sip:fe01.contoso.test>\n",
    );
    let rung = w.expect(client, "INVITE");
    assert_eq!(contact(&rung), "<sip:fe01.contoso.test>");
    let route = format!("Route: {}\n", field(&rung, "Record-Route").unwrap());
    w.answers_with(client, &rung, 200, &format!("Contact: <{OWN}>\n"));
    assert_eq!(contact(&w.expect(home, "SIP/2.0 200")), format!("<{OWN}>"));
    // Some repeat the URI of the INVITE in its ACK.
    for (method, target) in [("ACK", &*kept), ("INFO", OWN), ("BYE", OWN)] {
        let to = "<sip:alice@contoso.test>;tag=b";
        let from = "<sip:bob@contoso.test>;tag=b";
        let request = Request::of(method).uri(target).from(from).to(to);
        let branch = format!("z9hG4bK{method}");
        w.ask(home, request.branch(&branch).more(&route));
        w.expect(client, &format!("{method} {OWN} SIP/2.0"));
    }
    assert!(w.reasons().is_empty());
}

#[test]
fn it_outlives_a_restart_and_a_rotation_of_the_keys_until_the_old_key_is_gone() {
    let mut before = world(1);
    let (client, home) = (before.client(), before.peer(FE01));
    let kept = registered(&mut before, client, home);
    let mut w = world(3);
    let home = w.peer(FE01);
    calls(&mut w, home, "INVITE", &kept, "z9hG4bK1", "");
    let client = w.client();
    assert_eq!(registered(&mut w, client, home), kept);
    w.expect(client, &format!("INVITE {OWN} SIP/2.0"));
    let (old, new) = ((0, [7; 32]), (2, [2; 32]));
    let rotate = |w: &mut World, keys: &[(u8, [u8; 32])]| {
        let (tables, now) = (w.tables(&w.generation), w.now);
        w.rekey(&tables, &Arc::new(TokenKeys::new(keys, [9; 32])), now);
    };
    rotate(&mut w, &[new, old]);
    calls(&mut w, home, "MESSAGE", &kept, "z9hG4bK2", "");
    w.expect(client, &format!("MESSAGE {OWN} SIP/2.0"));
    let next = registered(&mut w, client, home);
    assert_ne!(next, kept, "sealed by the new key");
    for (uri, branch) in [(&kept, "z9hG4bK3"), (&next, "z9hG4bK4")] {
        calls(&mut w, home, "MESSAGE", uri, branch, "");
        w.expect(client, &format!("MESSAGE {OWN} SIP/2.0"));
    }
    rotate(&mut w, &[new]);
    w.events.clear();
    while w.take(home).is_some() {}
    calls(&mut w, home, "MESSAGE", &kept, "z9hG4bK5", "");
    w.refused(home, "SIP/2.0 403", "token_forged");
    // What the registrar still lists of it stays as it is.
    let listed = format!("Contact: <{kept}>;expires=5, <{next}>;expires=9\n");
    let (_, ok) = registers(&mut w, (client, home), "", |_| listed.clone());
    assert_eq!(
        contact(&ok),
        format!("<{kept}>;expires=5, <{OWN}>;expires=9")
    );
}

/// Altered, of another site, or made of two: it leads nowhere, and a user of that form at a home domain is the home
/// servers' business.
#[test]
fn a_contact_that_was_not_sealed_here_is_refused() {
    let mut w = world(1);
    let (client, home) = (w.client(), w.peer(FE01));
    let kept = registered(&mut w, client, home);
    let token = kept.split(['.', '@']).nth(1).unwrap().to_owned();
    let mut foreign = World::with(site(), 1);
    let (tables, now) = (foreign.tables(&foreign.generation), foreign.now);
    foreign.rekey(
        &tables,
        &Arc::new(TokenKeys::new(&[(0, [8; 32])], [0; 32])),
        now,
    );
    let links = (foreign.client(), foreign.peer(FE01));
    let foreign = registered(&mut foreign, links.0, links.1);
    let mut forged = vec![foreign];
    for position in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[position] = if altered[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        // The last character may be one that ends no token, so that this is a user like any other.
        let altered = String::from_utf8(altered).unwrap();
        if URL_SAFE_NO_PAD.decode(&altered).is_ok() {
            forged.push(kept.replace(&token, &altered));
        }
    }
    // The head of one, the end of the other.
    let (asked, _) = registers(
        &mut w,
        (client, home),
        "Contact: <sip:x@10.0.0.8;transport=tls>\n",
        |_| String::new(),
    );
    let other = uri(&contact(&asked));
    forged.push(format!("{}{}", &kept[..60], &other[60..]));
    w.events.clear();
    for (at, uri) in forged.iter().enumerate() {
        calls(&mut w, home, "MESSAGE", uri, &format!("z9hG4bK{at}"), "");
        w.refused(home, "SIP/2.0 403", "token_forged");
    }
    w.silent(client);
    // Users whose names begin alike, and one that this node would be asked to reach without any token.
    let other = w.peer(FE02);
    for user in ["c.smith", "c.", "c.AAAAAAAAAAAAAAAA", "C.smith"] {
        let uri = format!("sip:{user}@contoso.test");
        calls(&mut w, home, "MESSAGE", &uri, &format!("z9hG4bK{user}"), "");
        let got = w.expect(other, "MESSAGE");
        assert!(got.starts_with(&format!("MESSAGE {uri} ")), "{got}");
    }
    // Escaped, and with what the registrar has added, it is the same.
    registered(&mut w, client, home);
    let escaped = kept
        .replace("sip:c.", "sip:%63%2E")
        .replace(";transport", ";x=1;transport");
    calls(&mut w, home, "MESSAGE", &escaped, "z9hG4bKesc", "");
    w.expect(client, &format!("MESSAGE {OWN};x=1 SIP/2.0"));
}

/// A contact is no way round the home servers.
#[test]
fn nobody_but_a_home_server_reaches_a_client_by_its_contact() {
    let mut w = world(1);
    let (client, home) = (w.client(), w.peer(FE01));
    let kept = registered(&mut w, client, home);
    let (stranger, partner) = (w.client(), w.peer(PARTNER));
    let call = Request::invite().uri(&kept);
    w.ask(stranger, call);
    // To the home pool, as all that a client asks for.
    assert!(
        w.expect(home, "INVITE")
            .starts_with(&format!("INVITE {kept} "))
    );
    w.events.clear();
    let call = Request { from: EVE, ..call };
    w.ask(partner, call.branch("z9hG4bKeve"));
    w.refused(partner, "SIP/2.0 403", "not_home_domain");
    w.silent(client);
}

#[test]
fn a_route_to_this_node_is_taken_away_and_behind_one_that_leads_on_nothing_is_opened() {
    let mut w = world(1);
    let (client, home, other) = (w.client(), w.peer(FE01), w.peer(FE02));
    let kept = registered(&mut w, client, home);
    let own = "Route: <sip:edge01.contoso.test;transport=tls;lr>\n";
    calls(&mut w, home, "INVITE", &kept, "z9hG4bK1", own);
    let got = w.expect(client, &format!("INVITE {OWN} SIP/2.0"));
    assert_eq!(field(&got, "Route"), None);
    let on = "Route: <sip:edge01.contoso.test;lr>, <sip:fe02.contoso.test;lr>\n";
    calls(&mut w, home, "INVITE", &kept, "z9hG4bK2", on);
    w.expect(other, &format!("INVITE {kept} SIP/2.0"));
}

#[test]
fn contacts_that_cannot_be_read_and_too_many_are_refused() {
    let many = vec!["<sip:a@10.0.0.1>"; 17].join(", ");
    for (contacts, passes) in [
        ("<sip:a@10.0.0.1", false),
        ("<sip:a b@10.0.0.1>", false),
        (&many, false),
        (&many[..many.len() - 18], true),
    ] {
        let mut w = world(1);
        let (client, home) = (w.client(), w.peer(FE01));
        let register = registration("sip:alice@contoso.test", "z9hG4bK1", "");
        w.send(
            client,
            &register.replace("<sip:alice@10.0.0.1;transport=tls>", contacts),
        );
        match passes {
            true => assert_eq!(w.expect(home, "REGISTER").matches("sip:c.").count(), 16),
            false => {
                w.silent(home);
                w.refused(client, "SIP/2.0 400", "malformed_request");
            }
        }
    }
}

/// The pool to which the REGISTER goes decides, and a REGISTER of a server is not a client's.
#[test]
fn only_a_clients_register_to_such_a_pool_is_rewritten() {
    let mut topology = topology();
    topology.pools[1].path = ClientPath::Contact;
    let mut w = World::with(topology, 1);
    let (client, home, other) = (w.client(), w.peer(FE01), w.peer(FE02));
    let register = registration("sip:alice@contoso.test", "z9hG4bK1", "");
    w.send(client, &register);
    let asked = w.expect(home, "REGISTER");
    assert_eq!(contact(&asked), format!("<{OWN}>"));
    assert!(field(&asked, "Path").is_some());
    let mut w2 = world(1);
    let (home, _) = (w2.peer(FE01), other);
    let other = w2.peer(FE02);
    w2.ask(
        home,
        Request::of("REGISTER")
            .uri("sip:fe02.contoso.test")
            .more("Contact: <sip:gw@10.0.0.7>\n"),
    );
    assert_eq!(contact(&w2.expect(other, "REGISTER")), "<sip:gw@10.0.0.7>");
}
