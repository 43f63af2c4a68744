//! x509-limbo through `decide`, in both directions; where sipward decides differently, `table` says why.
//!
//! A case becomes a topology with one trust set (`trusted_certs` as anchors, `crls`, revocation off where there are none)
//! and one peer whose FQDN is the expected DNS name, or example.com where none is expected. The peer sends the case's
//! chain: once it was dialled, once it connects. A `SERVER` case is about the first, a `CLIENT` case about the second; the
//! other way must give the same verdict too, since which certificates a name may show hardly depends on who connected.
//! A topology that cannot be loaded (an anchor that is none, a name that is no FQDN) lets nobody in: it refuses.
mod table;

use crate::desk::{Desk, Setting, Told, judge};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;
use sipward::topology::Direction;
use std::collections::BTreeMap;
use std::time::Duration;
use table::{FAULTS, MEANT, Way};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    crls: Vec<String>,
    validation_time: Option<String>,
    expected_peer_name: Option<Name>,
    expected_result: String,
}

#[derive(Deserialize)]
struct Name {
    kind: String,
    value: String,
}

impl Case {
    fn fqdn(&self) -> &str {
        match &self.expected_peer_name {
            Some(name) if name.kind == "DNS" => &name.value,
            Some(_) | None => "example.com",
        }
    }

    fn at(&self) -> UnixTime {
        let Some(text) = &self.validation_time else {
            return sipward_lab::pki::now();
        };
        let at = OffsetDateTime::parse(text, &Rfc3339).unwrap();
        UnixTime::since_unix_epoch(Duration::from_secs(
            u64::try_from(at.unix_timestamp()).unwrap(),
        ))
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.peer_certificate)
            .chain(&self.untrusted_intermediates)
            .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .collect()
    }

    /// What is decided when the peer was dialled, and when it connects.
    fn decide(&self, desk: &Desk) -> (Told, Told) {
        self.decide_with(desk, "")
    }

    /// The same with further keys of the peer's entry.
    fn decide_with(&self, desk: &Desk, peer: &str) -> (Told, Told) {
        let (fqdn, at) = (self.fqdn(), self.at());
        let setting = Setting {
            fqdns: &[fqdn],
            anchors: &self.trusted_certs.concat(),
            crls: &self.crls,
            // What a case trusts is an anchor, whoever signed it.
            trust: "partial_chain = true\n",
            peer,
        };
        match desk.generation(&setting, at) {
            Ok(generation) => {
                let chain = self.chain();
                let judge = |direction| judge(&generation, &chain, direction, fqdn, at);
                (judge(Direction::Outbound), judge(Direction::Inbound))
            }
            Err(faults) => {
                let fault = faults.first().expect("a topology is refused for a fault");
                let told = Told {
                    accepted: false,
                    code: fault.code.to_string(),
                    detail: fault.what.clone(),
                };
                (told.clone(), told)
            }
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("x509-limbo/limbo.json")).unwrap()
}

#[test]
fn nothing_differs_from_x509_limbo_but_what_the_table_names() {
    let desk = Desk::new();
    let cases = cases();
    assert_eq!(cases.len(), 193);
    let mut rows: BTreeMap<(&str, Way), &str> = BTreeMap::new();
    for difference in MEANT.iter().chain(FAULTS) {
        for (id, way) in difference.each() {
            assert!(
                rows.insert((id, way), difference.why).is_none(),
                "{id} stands twice"
            );
        }
    }
    let mut wrong = Vec::new();
    for case in &cases {
        let wanted = case.expected_result == "SUCCESS";
        let (outbound, inbound) = case.decide(&desk);
        for (way, told) in [(Way::Outbound, outbound), (Way::Inbound, inbound)] {
            let row = rows.remove(&(case.id.as_str(), way));
            let agrees = told.accepted == wanted;
            let Told { code, detail, .. } = &told;
            match (agrees, row) {
                (true, None) | (false, Some(_)) => {}
                (false, None) => wrong.push(format!(
                    "{} {} {way:?}: expected {}, decided {code} ({detail})",
                    case.id, case.validation_kind, case.expected_result
                )),
                (true, Some(why)) => wrong.push(format!(
                    "{} {way:?}: agrees ({code}), and stands in the table: {why}",
                    case.id
                )),
            }
        }
    }
    wrong.extend(
        rows.keys()
            .map(|(id, way)| format!("{id} {way:?}: no such case")),
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_wildcard_passes_where_the_entry_of_the_peer_allows_it() {
    let desk = Desk::new();
    let cases = cases();
    let differ = MEANT
        .iter()
        .filter(|one| one.why.contains("forbids wildcards"));
    let differ: Vec<_> = differ.flat_map(|one| one.cases).collect();
    assert_eq!(differ.len(), 2);
    for id in differ {
        let case = cases.iter().find(|case| case.id == **id).unwrap();
        let (outbound, inbound) = case.decide_with(&desk, "names = \"one-label-wildcard\"");
        assert_eq!(
            (outbound.code.as_str(), inbound.code.as_str()),
            ("accepted", "accepted"),
            "{id}"
        );
    }
}
