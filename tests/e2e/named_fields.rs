//! Header fields by their names: what `strip_*` and `keep_*` of the topology choose beyond the table, and what programs are
//! called.
use crate::harness::World;
use sipward_lab::SipMessage;

/// Whether each of these fields is in a message.
fn there(message: &SipMessage, names: &[&str]) -> Vec<bool> {
    names
        .iter()
        .map(|name| message.header(name).is_some())
        .collect()
}

const CLIENTS: &str = r#"{ strip_in = ["X-*", "Subject"], keep_in = ["X-Ticket"], strip_out = ["x-node", "Warning"], server = "contoso" }"#;
const HOME: &str = r#"{ strip_out = ["Organization"], user_agent = "edge of contoso" }"#;
const PARTNER: &str = r#"{ keep_in = ["P-Acme-Cost"] }"#;

#[tokio::test]
async fn fields_go_by_name_and_pattern_in_each_direction_and_the_rest_stays_byte_for_byte() {
    let world = World::with(|t| {
        t.add("[boundary]")
            .raw("clients", CLIENTS)
            .raw("home", HOME);
        let partner = t.find("[[peer]]", "fqdn", "edge.fabrikam.test").unwrap();
        partner.raw("fields", PARTNER);
    })
    .await;
    let alice = world.client("alice").await;
    let sent = alice
        .message("sip:bob@contoso.test", "hi")
        .header("X-Secret", "1")
        .header("x-ticket", "2")
        .header("s", "compact")
        .header("Organization", "Alice")
        .header("User-Agent", "phone/1.0 (mine)")
        .header("Priority", "urgent")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    let names = [
        "X-Secret",
        "x-ticket",
        "s",
        "Subject",
        "Organization",
        "Priority",
    ];
    assert_eq!(
        there(&got.message, &names),
        [false, true, false, false, false, true],
        "{}",
        got.message
    );
    assert_eq!(got.message.header("User-Agent"), Some("edge of contoso"));
    // Back: the client's own rules, and no field that was not there.
    let answer = world
        .fe01
        .answering(&got, 200)
        .header("X-Node", "fe01")
        .header("X-Other", "stays")
        .header("Warning", "399 fe01 \"busy\"")
        .header("Server", "Asterisk PBX 20.1");
    answer.send().await.unwrap();
    let back = alice.answer(&sent, 200).await.unwrap();
    let names = ["X-Node", "X-Other", "Warning", "User-Agent"];
    assert_eq!(
        there(&back.message, &names),
        [false, true, false, false],
        "{}",
        back.message
    );
    assert_eq!(back.message.header("Server"), Some("contoso"));
    // Of a family that the table strips as a whole, one may stay.
    world.dial(&world.partner).await;
    let sent = world
        .partner
        .message("sip:bob@contoso.test", "hi")
        .header("P-Acme-Cost", "3")
        .header("P-Acme-Name", "4")
        .header("X-MS-Acme", "5")
        .header("X-Anything", "6")
        .send()
        .await
        .unwrap();
    let got = world.fe01.expect("MESSAGE").await.unwrap();
    let names = ["P-Acme-Cost", "P-Acme-Name", "X-MS-Acme", "X-Anything"];
    assert_eq!(
        there(&got.message, &names),
        [true, false, false, true],
        "{}",
        got.message
    );
    world.fe01.reply(&got, 200).await.unwrap();
    world.partner.answer(&sent, 200).await.unwrap();
    world.stop().await;
}
