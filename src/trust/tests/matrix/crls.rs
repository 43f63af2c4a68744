//! Rows of the matrix: CRLs about leaves and about intermediates.
use super::*;

pub(super) fn listing(revoked: &[&Serial], this_update: i64, next_update: i64) -> CrlSpec {
    CrlSpec {
        revoked: revoked.iter().map(|s| (*s).clone()).collect(),
        this_update,
        next_update,
        ..CrlSpec::default()
    }
}

pub(super) fn crls(rows: &mut Rows, cas: &Cas) {
    use Revocation::{Grace, Off, Require};
    use TrustReason as R;
    let ca = &cas.enterprise;
    let good = ca.server(FE01).unwrap();
    let bad = ca.server(FE01).unwrap();
    let old = ca
        .issue(&LeafSpec {
            not_before: -7_200,
            not_after: -3_600,
            ..LeafSpec::server(FE01)
        })
        .unwrap();
    let fresh = ca
        .crl(&listing(&[&bad.serial, &old.serial], -60, 3_600))
        .unwrap();
    let stale = ca.crl(&listing(&[&bad.serial], -7_200, -3_600)).unwrap();
    let empty = ca.crl(&listing(&[], -9_000, 9_000)).unwrap();
    let forged = ca
        .impostor()
        .unwrap()
        .crl(&listing(&[], -30, 3_600))
        .unwrap();
    let weak = forge::weakly_signed(&ca.crl(&listing(&[], -20, 3_600)).unwrap()).into();
    let tomorrow = ca.crl(&listing(&[], 86_400, 90_000)).unwrap();
    let others = cas.fabrikam.crl(&listing(&[], -30, 3_600)).unwrap();
    let hour = Duration::from_secs(3_600);
    // For the good leaf and the revoked one.
    let fine = both(R::Accepted);
    let missing = both(R::CrlMissing);
    let heard = (R::Accepted, R::Revoked);
    let stale_one = (R::CrlStale, R::Revoked);
    let cases = [
        ("off", Off, vec![], fine),
        ("off hears no CRL", Off, vec![&fresh], fine),
        ("require", Require, vec![&fresh], heard),
        ("require without a CRL", Require, vec![], missing),
        ("require with another CA's", Require, vec![&others], missing),
        ("require with a stale one", Require, vec![&stale], stale_one),
        ("grace that covers", Grace(hour * 2), vec![&stale], heard),
        (
            "grace that does not",
            Grace(hour / 2),
            vec![&stale],
            stale_one,
        ),
        ("grace without a CRL", Grace(hour), vec![], missing),
        (
            "an impostor's CRL",
            Require,
            vec![&forged],
            both(R::CrlBadSignature),
        ),
        (
            "an impostor's CRL first",
            Require,
            vec![&forged, &fresh],
            heard,
        ),
        (
            "a CRL signed with what nobody takes",
            Require,
            vec![&weak],
            both(R::CrlUnsupportedSignature),
        ),
        (
            "a CRL signed with what nobody takes first",
            Require,
            vec![&weak, &fresh],
            heard,
        ),
        (
            "a CRL from the future",
            Require,
            vec![&tomorrow],
            both(R::CrlFromFuture),
        ),
        (
            "a CRL from the future first",
            Require,
            vec![&tomorrow, &fresh],
            heard,
        ),
        ("the newer of two", Require, vec![&empty, &fresh], heard),
    ];
    let lab = CrlLab { ca, good, bad, old };
    for (says, policy, lists, reasons) in &cases {
        let lists: Vec<_> = lists.iter().map(|l| (*l).clone()).collect();
        lab.add(rows, says, *policy, &lists, *reasons);
    }
}

pub(super) fn crls_of_intermediates(rows: &mut Rows) {
    use RevocationScope::{Chain, Leaf};
    use TrustReason as R;
    let root = Authority::root("Contoso Root").unwrap();
    let issuing = root.subordinate("Contoso Issuing").unwrap();
    let mute = root
        .subordinate_with(AuthoritySpec {
            crl_sign: false,
            ..AuthoritySpec::named("Contoso Mute")
        })
        .unwrap();
    let leaf = issuing.server(FE01).unwrap();
    let silent = mute.server(FE01).unwrap();
    let of_root = root.crl(&listing(&[], -60, 3_600)).unwrap();
    let revoking = root.crl(&listing(&[issuing.serial()], -60, 3_600)).unwrap();
    let of_issuing = issuing.crl(&listing(&[], -60, 3_600)).unwrap();
    let listing_leaf = issuing.crl(&listing(&[&leaf.serial], -60, 3_600)).unwrap();
    let of_mute = mute.crl(&listing(&[], -60, 3_600)).unwrap();
    let stale = root.crl(&listing(&[], -7_200, -3_600)).unwrap();
    let before = Rc::clone(&rows.generation);
    for (says, scope, lists, chain, reason) in [
        (
            "both lists",
            Chain,
            vec![&of_root, &of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is missing",
            Chain,
            vec![&of_issuing],
            &leaf,
            R::CrlMissing,
        ),
        (
            "the root's list is missing but not needed",
            Leaf,
            vec![&of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is missing and the leaf is revoked",
            Chain,
            vec![&listing_leaf],
            &leaf,
            R::Revoked,
        ),
        (
            "the issuing CA's list is missing",
            Leaf,
            vec![&of_root],
            &leaf,
            R::CrlMissing,
        ),
        (
            "a revoked intermediate",
            Chain,
            vec![&revoking, &of_issuing],
            &leaf,
            R::Revoked,
        ),
        (
            "a revoked intermediate out of scope",
            Leaf,
            vec![&revoking, &of_issuing],
            &leaf,
            R::Accepted,
        ),
        (
            "the root's list is stale",
            Chain,
            vec![&stale, &of_issuing],
            &leaf,
            R::CrlStale,
        ),
        (
            "a CA that may not sign CRLs",
            Chain,
            vec![&of_root, &of_mute],
            &silent,
            R::CrlSignerUnfit,
        ),
    ] {
        let lists: Vec<_> = lists.into_iter().cloned().collect();
        let world = World::default()
            .trust("enterprise-ca", &[&root])
            .revocation(Revocation::Require, scope, &lists)
            .peer(FE01, PeerKind::Home, &["enterprise-ca"]);
        rows.generation = Rc::new(world.generation());
        rows.add(says, &chain.chain, FE01, both(reason));
    }
    rows.generation = before;
}

/// A CA with leaves to judge under some CRLs.
struct CrlLab<'a> {
    ca: &'a Authority,
    good: Issued,
    bad: Issued,
    old: Issued,
}

impl CrlLab<'_> {
    /// Rows for the good leaf, the revoked one and an expired one; the scope does not matter for them.
    fn add(
        &self,
        rows: &mut Rows,
        says: &'static str,
        policy: Revocation,
        lists: &[CertificateRevocationListDer<'static>],
        (for_good, for_bad): (TrustReason, TrustReason),
    ) {
        let before = Rc::clone(&rows.generation);
        for scope in [RevocationScope::Chain, RevocationScope::Leaf] {
            let world = World::default()
                .trust("enterprise-ca", &[self.ca])
                .revocation(policy, scope, lists)
                .peer(FE01, PeerKind::Home, &["enterprise-ca"]);
            rows.generation = Rc::new(world.generation());
            rows.add(says, &self.good.chain, FE01, both(for_good));
            rows.add(says, &self.bad.chain, FE01, both(for_bad));
            let old = &self.old.chain;
            rows.add("revoked and expired", old, FE01, both(TrustReason::Expired));
        }
        rows.generation = before;
    }
}
