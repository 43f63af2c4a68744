//! `crls`: the CRLs that are held, for each issuer's key and scope the newest that was proven.
use super::context::ControlContext;
use crate::trust::{HeldSeries, Ledger};
use serde::{Deserialize, Serialize};

/// A series of CRLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlSeries {
    /// What stands for it.
    pub id: String,
    /// The CRLs' issuer.
    pub issuer: String,
    /// SHA-256 of the key that signed, as in `pins`.
    pub key: String,
    /// Which certificates the CRLs cover.
    pub scope: String,
    /// The highest CRL number that was proven.
    pub number: Option<String>,
    /// thisUpdate of the newest, Unix seconds.
    pub this_update: u64,
    /// nextUpdate of the newest, Unix seconds.
    pub next_update: u64,
    /// How many certificates it revokes; `None`: it is gone, and only its number is known.
    pub revoked: Option<usize>,
    /// Where it came from.
    pub origins: Vec<String>,
    /// The trust sets that it is shown in.
    pub sets: Vec<String>,
}

impl CrlSeries {
    /// As replies show it.
    pub fn of(held: &HeldSeries) -> Self {
        let series = &held.series;
        let crls = series.crls();
        // Several of one age may have come from one file.
        let mut origins: Vec<String> = Vec::new();
        for crl in crls {
            let origin = crl.file.display().to_string();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Self {
            id: series.id().to_string(),
            issuer: series.issuer().to_owned(),
            key: series.pin(),
            scope: series.scope().to_string(),
            number: series.number_text(),
            this_update: series.this_update(),
            next_update: series.next_update(),
            revoked: crls.iter().map(|crl| crl.revoked()).max(),
            origins,
            sets: held.sets.clone(),
        }
    }

    /// What a state directory holds.
    pub fn all_of(ledger: &Ledger) -> Vec<Self> {
        let all = ledger.all().into_iter();
        let held = all.map(|series| HeldSeries {
            series: std::sync::Arc::clone(series),
            sets: series.sets().iter().cloned().collect(),
        });
        held.map(|held| Self::of(&held)).collect()
    }
}

impl ControlContext {
    /// Carries out `crls`.
    pub(super) fn crls(&self) -> Vec<CrlSeries> {
        let held = self.daemon.generation().held_crls();
        held.iter().map(CrlSeries::of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Generation;
    use sipward_lab::pki::{self, CrlSpec};
    use sipward_lab::site::Site;

    #[test]
    fn a_file_with_two_crls_of_one_age_is_listed_once() {
        let site = Site::new().unwrap();
        let one = site.enterprise.crl_as_pem(&CrlSpec::default()).unwrap();
        let leaf = site.enterprise.server("fe02.contoso.test").unwrap();
        let other = CrlSpec {
            revoked: vec![leaf.serial],
            ..CrlSpec::default()
        };
        let other = site.enterprise.crl_as_pem(&other).unwrap();
        site.write("enterprise-ca.crl.pem", &format!("{one}{other}"))
            .unwrap();
        let peer = ("fe01.contoso.test", "127.0.0.1:5061".parse().unwrap());
        let text = site.topology(&[peer], None).to_toml();
        let path = site.path().join("topology.toml");
        let topology = crate::topology::load_text(&text, &path, pki::now()).unwrap();
        let generation = Generation::build(1, topology, pki::now()).unwrap();
        let all = CrlSeries::all_of(generation.ledger());
        let ours = all.iter().find(|series| series.issuer.contains("Contoso"));
        let origins = &ours.unwrap().origins;
        assert_eq!(origins.len(), 1, "{origins:?}");
        assert_eq!(ours.unwrap().revoked, Some(1));
    }
}
