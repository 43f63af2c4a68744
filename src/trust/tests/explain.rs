//! Explanations: the same verdict as the decision's, the steps that led to it, and a change that was tried.
use super::World;
use crate::topology::{Direction, PeerKind, PurposePolicy, Revocation, RevocationScope};
use crate::trust::{ExplainedStep, Explanation, Generation, Presented, StepOutcome, explain};
use rustls_pki_types::CertificateDer;
use sipward_lab::pki::{self, Authority, CrlSpec, LeafSpec, Usage};

const FE01: &str = "fe01.contoso.test";

fn inbound(generation: &Generation, chain: &[CertificateDer<'_>]) -> Explanation {
    let presented = Presented::inbound(chain);
    explain(&presented, Direction::Inbound, generation, pki::now())
}

fn dialled(generation: &Generation, fqdn: &str, chain: &[CertificateDer<'_>]) -> Explanation {
    let peer = generation.topology().peer_by_name(fqdn).unwrap();
    let presented = Presented::outbound(chain, peer);
    explain(&presented, Direction::Outbound, generation, pki::now())
}

/// Every step of a kind, wherever it stands in the tree.
fn steps<'e>(explanation: &'e Explanation, kind: &str) -> Vec<&'e ExplainedStep> {
    fn collect<'e>(steps: &'e [ExplainedStep], kind: &str, found: &mut Vec<&'e ExplainedStep>) {
        for step in steps {
            if step.step == kind {
                found.push(step);
            }
            collect(&step.below, kind, found);
        }
    }
    let mut found = Vec::new();
    collect(&explanation.steps, kind, &mut found);
    found
}

fn edits(explanation: &Explanation) -> (Vec<String>, &str) {
    let change = explanation.change.as_ref().unwrap();
    (change.edits.clone(), change.leads_to.as_str())
}

#[test]
fn nobody_is_told_to_make_a_peer_of_this_node() {
    let root = Authority::root("Contoso Root").unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let own = generation.topology().node().fqdn.as_str().to_owned();
    let explanation = inbound(&generation, &root.server(&own).unwrap().chain);
    assert_eq!(explanation.reason, "not_in_topology");
    let (edits, _) = edits(&explanation);
    assert_eq!(edits, Vec::<String>::new());
    let elsewhere = explanation.change.unwrap().elsewhere.unwrap();
    assert!(
        elsewhere.contains("certificate of this node"),
        "{elsewhere}"
    );
}

#[test]
fn an_accepted_chain_shows_every_step_down_to_the_crl() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let crls = [
        root.crl(&CrlSpec::default()).unwrap(),
        issuing.crl(&CrlSpec::default()).unwrap(),
    ];
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .revocation(Revocation::Require, RevocationScope::Chain, &crls)
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer("fe02.contoso.test", PeerKind::Home, &["enterprise-ca"])
        .generation();
    let explanation = inbound(&generation, &leaf.chain);
    assert!(explanation.is_accepted());
    assert_eq!(explanation.peer.as_deref(), Some(FE01));
    assert_eq!((explanation.line, explanation.generation), (Some(100), 7));
    assert_eq!(explanation.change, None);
    let top: Vec<&str> = explanation.steps.iter().map(|s| s.step.as_str()).collect();
    assert_eq!(top, ["chain", "names", "topology", "path"]);
    assert_eq!(steps(&explanation, "certificate").len(), 2);
    let entries = steps(&explanation, "peer");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].outcome, StepOutcome::Passed);
    assert_eq!(entries[1].outcome, StepOutcome::Noted);
    let anchor = steps(&explanation, "anchor");
    assert!(
        anchor[0].text.contains("anchor \"CN=Contoso Root\""),
        "{anchor:?}"
    );
    let crls = steps(&explanation, "crl");
    assert_eq!(crls.len(), 2);
    assert!(
        crls.iter()
            .all(|c| c.outcome == StepOutcome::Passed && c.text.contains("nextUpdate"))
    );
    for kind in ["key", "validity", "revocation", "purpose"] {
        assert_eq!(
            steps(&explanation, kind)[0].outcome,
            StepOutcome::Passed,
            "{kind}"
        );
    }
    let text = explanation.to_string();
    assert!(
        text.starts_with("accepted (inbound, as fe01.contoso.test"),
        "{text}"
    );
    assert!(text.contains("topology.toml:100"), "{text}");
    let back: Explanation = serde_json::from_str(&explanation.to_json()).unwrap();
    assert_eq!(back, explanation);
}

#[test]
fn a_missing_issuer_is_named() {
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let explanation = inbound(&generation, &leaf.chain[..1]);
    assert_eq!(explanation.reason, "unknown_issuer");
    let issuer = steps(&explanation, "issuer");
    assert!(
        issuer[0]
            .text
            .starts_with("\"CN=Contoso Issuing\" is missing"),
        "{issuer:?}"
    );
    let change = explanation.change.unwrap();
    assert_eq!(
        (change.edits.len(), change.leads_to.as_str()),
        (0, "unknown_issuer")
    );
    let elsewhere = change.elsewhere.unwrap();
    assert!(
        elsewhere.contains("CN=Contoso Issuing") && elsewhere.contains("line 10"),
        "{elsewhere}"
    );
}

#[test]
fn edits_are_tried_until_the_verdict_turns() {
    let home = Authority::root("Contoso Root").unwrap();
    let partner = Authority::root("Fabrikam Root").unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&home])
        .trust("fabrikam-ca", &[&partner])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .with(|p| p.purpose = PurposePolicy::Strict)
        .generation();
    let server_only = |ca: &Authority, spec: LeafSpec| {
        ca.issue(&LeafSpec {
            usages: vec![Usage::Server],
            ..spec
        })
        .unwrap()
    };
    let strange = home.server("new.contoso.test").unwrap();
    let (said, leads_to) = (inbound(&generation, &strange.chain), "accepted");
    assert_eq!(edits(&said).1, leads_to);
    assert!(edits(&said).0[0].contains("fqdn = \"new.contoso.test\", trust = [\"enterprise-ca\"]"));

    let foreign = server_only(&partner, LeafSpec::server(FE01));
    let said = inbound(&generation, &foreign.chain);
    assert_eq!(said.reason, "anchor_not_for_peer");
    let (list, leads_to) = edits(&said);
    assert_eq!(leads_to, "accepted");
    assert_eq!(list.len(), 2, "{list:?}");
    assert!(
        list[0].contains("line 100") && list[0].contains("[\"enterprise-ca\", \"fabrikam-ca\"]")
    );
    assert!(list[1].contains("purpose = \"server-or-client\""));

    let named = home
        .issue(&LeafSpec {
            common_name: Some(FE01.to_owned()),
            usages: vec![Usage::Client],
            ..LeafSpec::default()
        })
        .unwrap();
    let (list, leads_to) = (inbound(&generation, &named.chain), "accepted");
    assert_eq!(edits(&list).1, leads_to);
    assert!(edits(&list).0[0].ends_with("common_name = true"));

    let wild = home.server("*.contoso.test").unwrap();
    let said = dialled(&generation, FE01, &wild.chain);
    assert_eq!(said.reason, "wildcard_not_allowed");
    assert!(edits(&said).0[0].ends_with("names = \"one-label-wildcard\""));
    assert_eq!(edits(&said).1, "accepted");
}

#[test]
fn what_no_edit_of_the_topology_heals_is_said_to_lie_elsewhere() {
    let root = Authority::root("Contoso Root").unwrap();
    let leaf = root.server(FE01).unwrap();
    let revoking = CrlSpec {
        revoked: vec![leaf.serial.clone()],
        ..CrlSpec::default()
    };
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .revocation(
            Revocation::Require,
            RevocationScope::Chain,
            &[root.crl(&revoking).unwrap()],
        )
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let said = inbound(&generation, &leaf.chain);
    assert_eq!((said.reason.as_str(), said.line), ("revoked", Some(10)));
    let crl = steps(&said, "crl");
    assert_eq!(crl[0].outcome, StepOutcome::Failed);
    assert!(crl[0].text.contains("listed as revoked"));
    assert!(
        said.change
            .unwrap()
            .elsewhere
            .unwrap()
            .starts_with("replace the certificate")
    );
    let none = inbound(&generation, &[]);
    assert_eq!(none.reason, "no_certificate");
    assert_eq!(steps(&none, "chain")[0].outcome, StepOutcome::Failed);
}

#[test]
fn nothing_in_a_certificate_steers_the_terminal_that_shows_it() {
    let root = Authority::root("Root \u{202e}\u{1b}[31m").unwrap();
    let leaf = root
        .issue(&LeafSpec {
            common_name: Some("evil\u{200f}\r\nok path".to_owned()),
            uris: vec!["sip:a\u{7}b".to_owned()],
            ..LeafSpec::default()
        })
        .unwrap();
    let generation = World::default()
        .trust("enterprise-ca", &[&root])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .generation();
    let text = inbound(&generation, &leaf.chain).to_string();
    let steers = |c: char| (c.is_control() && c != '\n') || ('\u{200b}'..='\u{2069}').contains(&c);
    assert!(!text.contains(steers), "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("ok path")),
        "{text}"
    );
}

#[test]
fn a_thousand_entries_are_counted_rather_than_shown() {
    let root = Authority::root("Contoso Root").unwrap();
    let mut world = World::default().trust("enterprise-ca", &[&root]);
    for n in 0..1_000 {
        world = world.peer(
            &format!("fe{n}.contoso.test"),
            PeerKind::Home,
            &["enterprise-ca"],
        );
    }
    let generation = world.generation();
    let leaf = root.server("fe999.contoso.test").unwrap();
    let said = inbound(&generation, &leaf.chain);
    let entries = steps(&said, "peer");
    assert!(entries.len() < 40);
    assert!(
        entries
            .iter()
            .any(|e| e.text.starts_with("fe999.") && e.outcome == StepOutcome::Passed)
    );
    assert!(entries.iter().any(|e| e.text.contains("more entries")));
}
