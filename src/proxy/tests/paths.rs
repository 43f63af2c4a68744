//! Path that is added for clients that know nothing of it (RFC 3327 §5.1, §5.3): a registrar refuses one that is not
//! announced, and the client is not bothered with it.
use super::world::*;

fn register(fields: &str) -> String {
    Request::of("REGISTER")
        .uri("sip:contoso.test")
        .to("<sip:alice@contoso.test>")
        .more(&format!(
            "Contact: <sip:alice@10.1.2.3:40123;transport=tls>;expires=600\n{fields}Expires: 600\n"
        ))
        .to_string()
}

/// What the registrar sees in Supported, and how many Path values of its 200 the client sees.
#[track_caller]
fn registered(fields: &str) -> (Vec<String>, usize) {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    w.send(client, &register(fields));
    let asked = w.expect(home, "REGISTER");
    assert_eq!(super::world::fields(&asked, "Path").len(), 1, "{asked}");
    let mut supported = super::world::fields(&asked, "Supported");
    supported.extend(super::world::fields(&asked, "k"));
    let supported = supported.into_iter().map(str::to_owned).collect();
    // A registrar gives back what it has: our value, and one of a proxy of its own.
    let path = field(&asked, "Path").unwrap();
    let more = format!(
        "Path: {path}\nPath: <sip:p1.contoso.test;lr>, <sip:p2.contoso.test;lr>\nContact: <sip:alice@10.1.2.3:40123;transport=tls>;expires=600\n"
    );
    w.answers_with(home, &asked, 200, &more);
    let ok = w.expect(client, "SIP/2.0 200");
    assert!(ok.contains("Contact: <sip:alice@10.1.2.3:40123"), "{ok}");
    (supported, super::world::fields(&ok, "Path").len())
}

#[test]
fn a_client_that_knows_path_is_left_alone() {
    for line in [
        // baresip, pjsua2, linphone with the option.
        "Supported: gruu, outbound, path",
        "Supported: outbound, path",
        "Supported: replaces,outbound,gruu,path",
        "Supported: PATH",
        "supported:path",
        "k: path",
        "K: timer,Path , x",
        "Supported: replaces\nSupported: path",
        "k: replaces\nSupported: timer, path",
    ] {
        let written: Vec<&str> = line.split('\n').collect();
        let (supported, paths) = registered(&format!("{line}\n"));
        // A registrar may read the first line only.
        let first = written[0].to_ascii_lowercase().contains("path");
        assert_eq!(
            supported.len(),
            written.len() + usize::from(!first),
            "{line}"
        );
        assert_eq!(paths, 2, "{line}");
    }
    assert_eq!(registered("Supported:\n path\n").1, 2, "over two lines");
}

#[test]
fn for_a_client_that_does_not_know_path_it_is_announced_and_taken_out_of_the_answer() {
    for lines in [
        "",
        "Supported: gruu, outbound\n",
        "Supported: replaces, outbound, gruu\nAllow: INVITE\n",
        "k: timer\n",
        "Supported: replaces\nSupported: timer\n",
        "Supported:\n",
        "k:  \n",
        "Supported: pathology, xpath\n",
        "Supported: replaces,\n timer\n",
        "Supported: \"path\"\n",
        "Require: foo\n",
    ] {
        let mut w = World::new();
        let (client, home) = (w.client(), w.peer(FE01));
        w.send(client, &register(lines));
        let asked = w.expect(home, "REGISTER");
        // What it wrote itself stays as it is, and ours stands above it.
        let ours = asked.find("\r\nSupported: path\r\n").unwrap();
        assert_eq!(asked.matches("Supported: path\r\n").count(), 1);
        let written = format!("\r\n{}", lines.replace('\n', "\r\n"));
        assert!(asked.contains(&written), "{asked}");
        if let Some(theirs) = lines
            .lines()
            .find(|l| l.starts_with("Supported") || l.starts_with('k'))
        {
            assert!(ours < asked.find(theirs).unwrap(), "{asked}");
        }
        assert_eq!(registered(lines).1, 0, "{lines}");
    }
}

#[test]
fn a_path_that_the_client_writes_leads_no_registrar_through_it() {
    let mut w = World::new();
    let (client, home) = (w.client(), w.peer(FE01));
    let theirs = "Path: <sip:evil.test;lr>\nPath: <sip:evil2.test;lr>, <sip:evil3.test;lr>\n";
    w.send(client, &register(theirs));
    let asked = w.expect(home, "REGISTER");
    assert!(!asked.contains("evil"), "{asked}");
    assert_eq!(fields(&asked, "Path").len(), 1);
}

#[test]
fn a_client_that_requires_path_hears_of_it_and_it_is_announced_for_it() {
    let (supported, paths) = registered("Require: path\n");
    assert_eq!(supported, ["path"]);
    assert_eq!(paths, 2);
}

#[test]
fn no_other_request_and_nobody_but_a_client_gets_it_announced() {
    let mut w = World::new();
    let (client, home, other) = (w.client(), w.peer(FE01), w.peer(FE02));
    for method in ["INVITE", "SUBSCRIBE", "OPTIONS", "PUBLISH"] {
        let branch = format!("z9hG4bK{method}");
        w.ask(
            client,
            Request::of(method)
                .branch(&branch)
                .more("Supported: timer\n"),
        );
        let got = w.expect(home, method);
        assert_eq!(fields(&got, "Supported"), ["timer"]);
        assert_eq!(field(&got, "Path"), None);
    }
    w.ask(
        home,
        Request::of("REGISTER")
            .uri("sip:fe02.contoso.test")
            .branch("z9hG4bKhome"),
    );
    let got = w.expect(other, "REGISTER");
    assert_eq!(
        (field(&got, "Supported"), field(&got, "Path")),
        (None, None)
    );
}
