//! The anchors and intermediates of a trust set, indexed by name.
use crate::topology::distinguished_name::NameKey;
use crate::trust::StepRefusal;
use crate::trust::anchors::anchor::Anchor;
use crate::trust::certificate::{chain::Chain, parsed::Certificate};
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;

/// The anchors of one trust set, and the intermediates that came with them.
#[derive(Default)]
pub(crate) struct Anchors {
    pub(crate) anchors: Vec<Anchor>,
    // Several CAs may bear one name, such as a CA with an old and a new key; all of them are tried.
    by_name: HashMap<NameKey, Vec<usize>>,
    /// As DER: which of them can matter for a chain is known by name, and only those are parsed.
    pub(crate) intermediates: Vec<CertificateDer<'static>>,
    /// The intermediates by their subjects.
    below: HashMap<NameKey, Vec<usize>>,
}

impl Anchors {
    /// Those of a name.
    pub(crate) fn named(&self, name: &NameKey) -> impl Iterator<Item = &Anchor> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|at| self.anchors.get(*at))
    }

    /// The names that anchors and intermediates bear.
    pub(crate) fn names(&self) -> impl Iterator<Item = &NameKey> {
        self.by_name.keys().chain(self.below.keys())
    }

    /// The intermediates of the set that may stand above the presented certificates, parsed.
    pub(crate) fn intermediates_for<'s>(
        &'s self,
        chain: &Chain<'_>,
    ) -> Result<Vec<Certificate<'s>>, StepRefusal> {
        let mut found: Vec<Certificate<'s>> = Vec::new();
        // Most sets hold roots only.
        if self.below.is_empty() {
            return Ok(found);
        }
        let mut taken = vec![false; self.intermediates.len()];
        // From the presented certificates upwards: an intermediate may be issued by another one of the set.
        let mut wanted: Vec<NameKey> = chain.certificates().map(|c| c.issuer().clone()).collect();
        while let Some(name) = wanted.pop() {
            for at in self.below.get(&name).into_iter().flatten() {
                let (Some(taken), Some(der)) = (taken.get_mut(*at), self.intermediates.get(*at))
                else {
                    continue;
                };
                // Two presented certificates may have one issuer, and cross-certificates lead in circles.
                if std::mem::replace(taken, true) {
                    continue;
                }
                // Parsing is paid from the budget, as looking at a presented candidate is.
                chain.look()?;
                if let Ok(certificate) = Certificate::parse(der) {
                    wanted.push(certificate.issuer().clone());
                    found.push(certificate);
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn add_anchor(&mut self, anchor: Anchor) {
        let places = self.by_name.entry(anchor.subject.clone()).or_default();
        places.push(self.anchors.len());
        self.anchors.push(anchor);
    }

    pub(crate) fn add_intermediate(&mut self, subject: &NameKey, der: &CertificateDer<'static>) {
        let places = self.below.entry(subject.clone()).or_default();
        places.push(self.intermediates.len());
        self.intermediates.push(der.clone());
    }
}
