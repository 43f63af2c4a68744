//! A certification path: a leaf, the CAs above it, and the anchor that it leads to (RFC 5280 §6.1).
use crate::trust::anchors::anchor::Anchor;
use crate::trust::budget::Budget;
use crate::trust::certificate::{
    chain::Chain, constraints::Constraints, parsed::Certificate, purposes::KeyPurposes,
};
use crate::trust::{StepRefusal, TrustReason};
use x509_parser::certificate::X509Certificate;

/// A path whose signatures hold, and in which every issuer is a CA.
pub(crate) struct CertPath<'p> {
    chain: &'p Chain<'p>,
    /// The leaf's issuer first.
    // Between leaf and anchor, presented or of the trust set; empty where the anchor issued the leaf.
    links: Vec<&'p Certificate<'p>>,
    anchor: &'p Anchor,
}

impl<'p> CertPath<'p> {
    pub(crate) fn new(
        chain: &'p Chain<'p>,
        links: Vec<&'p Certificate<'p>>,
        anchor: &'p Anchor,
    ) -> Self {
        Self {
            chain,
            links,
            anchor,
        }
    }

    /// What is left to the judgement of the chain.
    pub(crate) fn budget(&self) -> &'p Budget {
        self.chain.budget()
    }

    /// The leaf.
    pub(crate) fn leaf(&self) -> &'p X509Certificate<'p> {
        self.chain.leaf()
    }

    /// The intermediates, the leaf's issuer first.
    pub(crate) fn intermediates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        self.links.iter().map(|link| link.read())
    }

    /// The leaf and the intermediates.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &'p X509Certificate<'p>> {
        std::iter::once(self.leaf()).chain(self.intermediates())
    }

    /// The same with what path validation asks of them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'p Certificate<'p>> {
        std::iter::once(self.chain.leaf_certificate()).chain(self.links.iter().copied())
    }

    /// The anchor.
    pub(crate) fn anchor(&self) -> &'p Anchor {
        self.anchor
    }

    /// The extended key usages of the leaf, the intermediates and the anchor, where they have the extension.
    ///
    /// In the order of the path, so that places in it name the same certificate everywhere.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = Option<&'p KeyPurposes>> {
        let parts = self.parts().map(|part| part.extensions.purposes.as_ref());
        parts.chain([self.anchor.purposes.as_ref()])
    }

    /// The subject at a place of [`Self::purposes`].
    pub(crate) fn subject_at(&self, place: usize) -> Option<String> {
        let mut parts = self.parts();
        match parts.nth(place) {
            Some(part) => Some(part.text()),
            None => Some(self.anchor.text.clone()),
        }
    }

    /// An intermediate whose keyUsage does not permit it to sign certificates.
    ///
    /// The anchor is not asked: whoever names it wants it to issue (see its `unfit`).
    pub(crate) fn mute_issuer(&self) -> Option<String> {
        let mut links = self.links.iter();
        links
            .find(|link| !link.signs_certificates())
            .map(|link| link.text())
    }

    /// Refuses when more intermediates stand below a CA than it permits; self-issued ones do not count (RFC 5280 §6.1.4
    /// (l) and (m)).
    pub(crate) fn check_lengths(&self) -> Result<(), StepRefusal> {
        let refuse = |text: &str, bound: u32, below: u32| {
            let what = format!("{text} permits {bound} CAs below it, and has {below}");
            Err(TrustReason::PathLength.because(what))
        };
        // Counted from the leaf upwards, which itself does not count (RFC 5280 §4.2.1.9).
        let mut below = 0u32;
        for link in &self.links {
            if let Some(bound) = link.extensions.path_length.filter(|bound| *bound < below) {
                return refuse(&link.text(), bound, below);
            }
            // A CA that changes its key issues for itself in between, and the depth of its hierarchy stays
            // the same.
            below += u32::from(!link.is_self_issued());
        }
        match self.anchor.path_length.filter(|bound| *bound < below) {
            Some(bound) => refuse(&self.anchor.text, bound, below),
            None => Ok(()),
        }
    }

    /// The name constraints of each CA, the leaf's issuer first and the anchor last.
    fn constraints(&self) -> impl Iterator<Item = Option<&Constraints>> {
        let links = self.links.iter();
        let links = links.map(|link| link.extensions.constraints.as_ref());
        links.chain([self.anchor.constraints.as_ref()])
    }

    /// Refuses when a CA may not issue for a name below it. Self-issued intermediates are not held against constraints,
    /// the leaf always is (RFC 5280 §6.1.3 (b) and (c)).
    pub(crate) fn check_constraints(&self) -> Result<(), StepRefusal> {
        let leaf = self.chain.leaf_certificate();
        let authorities = self.constraints().enumerate();
        for (place, constraints) in authorities {
            let Some(constraints) = constraints else {
                continue;
            };
            let between = self.links.iter().take(place).copied();
            let between = between.filter(|link| !link.is_self_issued());
            // Each CA constrains everything below it and not only what it issued itself.
            for below in std::iter::once(leaf).chain(between) {
                let size = below.read().as_raw().len();
                constraints.check(below.constrained_names(), size, self.chain.budget())?;
            }
        }
        Ok(())
    }

    /// Refuses when a CA of the path may not issue for the host that the certificate is taken for, in whatever field of
    /// the certificate it stands.
    ///
    /// A CA that is bound to dNSNames could write a URI or a CN instead, whose form nobody constrained; the
    /// identity is therefore held against both.
    pub(crate) fn check_identity(&self, host: &str) -> Result<(), StepRefusal> {
        for constraints in self.constraints().flatten() {
            constraints.check_identity(host, self.chain.budget())?;
        }
        Ok(())
    }
}
