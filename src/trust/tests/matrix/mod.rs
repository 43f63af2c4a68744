//! The matrix: what is presented × direction, each with its one reason; no reason without a row.
mod crls;
mod names;
mod paths;
mod times;

use super::{World, inbound_at, later, outbound_at};
use crate::topology::{
    Direction, NamePolicy, PeerKind, Pin, PurposePolicy, Revocation, RevocationScope, Window,
};
use crate::trust::{Explanation, Generation, Presented, TrustReason, explain};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use sipward_lab::forge;
use sipward_lab::pki::{
    Authority, AuthoritySpec, CrlSpec, Issued, KeyKind, LeafSpec, Serial, Usage, self_signed,
};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

const FE01: &str = "fe01.contoso.test";
const FE02: &str = "fe02.contoso.test";
const EDGE: &str = "edge.fabrikam.test";
const STRICT: &str = "strict.fabrikam.test";

/// One row: a chain, the peer that an outbound connection dialled, and both reasons.
struct Row {
    says: &'static str,
    generation: Rc<Generation>,
    chain: Vec<CertificateDer<'static>>,
    dialled: &'static str,
    at: UnixTime,
    inbound: TrustReason,
    outbound: TrustReason,
}

struct Rows {
    rows: Vec<Row>,
    generation: Rc<Generation>,
}

impl Rows {
    fn add(
        &mut self,
        says: &'static str,
        chain: &[CertificateDer<'static>],
        dialled: &'static str,
        (inbound, outbound): Both,
    ) {
        self.add_at(says, chain, dialled, later(0), (inbound, outbound));
    }

    fn add_at(
        &mut self,
        says: &'static str,
        chain: &[CertificateDer<'static>],
        dialled: &'static str,
        at: UnixTime,
        (inbound, outbound): Both,
    ) {
        self.rows.push(Row {
            says,
            generation: Rc::clone(&self.generation),
            chain: chain.to_vec(),
            dialled,
            at,
            inbound,
            outbound,
        });
    }
}

struct Cas {
    enterprise: Authority,
    issuing: Authority,
    fabrikam: Authority,
    stranger: Authority,
}

fn cas() -> Cas {
    let enterprise = Authority::root("Contoso Root").unwrap();
    Cas {
        issuing: enterprise.subordinate("Contoso Issuing").unwrap(),
        enterprise,
        fabrikam: Authority::root("Fabrikam Root").unwrap(),
        stranger: Authority::root("Stranger Root").unwrap(),
    }
}

fn world(cas: &Cas) -> World {
    World::default()
        .trust("enterprise-ca", &[&cas.enterprise])
        .trust("fabrikam-ca", &[&cas.fabrikam])
        .peer(FE01, PeerKind::Home, &["enterprise-ca"])
        .peer(FE02, PeerKind::Home, &["enterprise-ca"])
        .with(|p| {
            p.names = NamePolicy::OneLabelWildcard;
            p.common_name = true;
        })
        .peer(EDGE, PeerKind::Federated, &["fabrikam-ca"])
        .peer(STRICT, PeerKind::Federated, &["fabrikam-ca"])
        .with(|p| p.purpose = PurposePolicy::Strict)
}

/// Inbound and outbound.
type Both = (TrustReason, TrustReason);

fn both(reason: TrustReason) -> Both {
    (reason, reason)
}

fn matrix() -> Vec<Row> {
    let cas = cas();
    let mut rows = Rows {
        rows: Vec::new(),
        generation: Rc::new(world(&cas).generation()),
    };
    names::chains(&mut rows, &cas);
    names::whole_names(&mut rows, &cas);
    names::sip_uris(&mut rows, &cas);
    names::wildcards_and_common_names(&mut rows, &cas);
    paths::paths(&mut rows, &cas);
    paths::broken_paths(&mut rows, &cas);
    times::times(&mut rows, &cas);
    times::purposes(&mut rows, &cas);
    crls::crls(&mut rows, &cas);
    crls::crls_of_intermediates(&mut rows);
    times::staged(&mut rows, &cas);
    rows.rows
}

fn explained(row: &Row, direction: Direction) -> Explanation {
    let presented = Presented {
        chain: &row.chain,
        expected: match direction {
            Direction::Inbound => None,
            Direction::Outbound => row.generation.topology().peer_by_name(row.dialled),
        },
        name: None,
        identity: None,
        staple: None,
    };
    explain(&presented, direction, &row.generation, row.at)
}

#[test]
fn every_row_of_the_matrix_has_its_own_reason_and_every_reason_has_a_row() {
    let mut provoked = HashSet::new();
    let mut wrong = Vec::new();
    for row in matrix() {
        let inbound = inbound_at(&row.generation, &row.chain, row.at);
        let outbound = outbound_at(&row.generation, row.dialled, &row.chain, row.at);
        if (inbound, outbound) != (row.inbound, row.outbound) {
            wrong.push(format!(
                "{} ({}): wanted {} {}, got {inbound} {outbound}",
                row.says, row.dialled, row.inbound, row.outbound
            ));
        }
        for (direction, reason) in [
            (Direction::Inbound, inbound),
            (Direction::Outbound, outbound),
        ] {
            let said = explained(&row, direction);
            if said.reason != reason.code()
                || said.is_accepted() != (reason == TrustReason::Accepted)
            {
                wrong.push(format!("{}: explained as {}", row.says, said.reason));
            }
        }
        provoked.extend([inbound, outbound]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> = TrustReason::ALL
        .iter()
        // Staples, clients' certificates and what this node has shown have tests of their own, in `ocsp`, `client_rule` and
        // `tenants`.
        .filter(|r| {
            let elsewhere = ["ocsp_", "client_certificate_", "identity_not_for_peer"];
            !provoked.contains(r) && !elsewhere.iter().any(|begin| r.code().starts_with(begin))
        })
        .collect();
    assert!(idle.is_empty(), "no row provokes {idle:?}");
}
