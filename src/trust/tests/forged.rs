//! Certificates made by hand below a root made by hand, and who gets in with them.
use super::{World, inbound};
use crate::topology::PeerKind;
use crate::trust::{Generation, TrustReason};
use rustls_pki_types::CertificateDer;
use sipward_lab::forge::{CertificateFields, KeyKind, SigningKey, common_name, distinguished_name};

pub(super) const FE01: &str = "fe01.contoso.test";
pub(super) const EDGE: &str = "edge.fabrikam.test";

/// Two peers below one set of these anchors.
pub(super) fn below(anchors: &[CertificateDer<'static>]) -> World {
    World::default()
        .trust_in("ca", anchors)
        .peer(FE01, PeerKind::Home, &["ca"])
        .with(|peer| peer.common_name = true)
        .peer(EDGE, PeerKind::Federated, &["ca"])
        .with(|peer| peer.common_name = true)
}

/// A root made by hand, and a key for what is below it.
pub(super) struct Forged {
    pub(super) root: Vec<u8>,
    pub(super) key: SigningKey,
    pub(super) below: SigningKey,
    pub(super) anchor: CertificateDer<'static>,
}

impl Forged {
    pub(super) fn new() -> Self {
        let root = common_name(0x13, b"Forged Root");
        let key = SigningKey::new(KeyKind::P256).unwrap();
        Self {
            anchor: key
                .sign(&CertificateFields::authority(&root, &root, &key))
                .unwrap(),
            below: SigningKey::new(KeyKind::P256).unwrap(),
            root,
            key,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        below(std::slice::from_ref(&self.anchor)).generation()
    }

    /// A leaf below a CA of these extensions, and the reason it gets.
    pub(super) fn below_a_ca(
        &self,
        extensions: &[(u8, bool, Vec<u8>)],
        leaf: impl Fn(CertificateFields) -> CertificateFields,
    ) -> TrustReason {
        let name = common_name(0x13, b"Forged Issuing");
        let mut ca = CertificateFields::authority(&self.root, &name, &self.below);
        for (id, critical, value) in extensions {
            ca = ca.with(*id, *critical, value);
        }
        let leaf = leaf(CertificateFields::blank(
            &name,
            &distinguished_name(&[]),
            &self.below,
        ));
        let chain = [self.below.sign(&leaf).unwrap(), self.key.sign(&ca).unwrap()];
        inbound(&self.generation(), &chain)
    }
}
