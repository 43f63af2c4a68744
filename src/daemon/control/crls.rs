//! What is said of the CRLs that are held: for each issuer's key and scope the newest that was proven.
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
    /// As it is told.
    pub fn of(held: &HeldSeries) -> Self {
        let series = &held.series;
        let crls = series.crls();
        Self {
            id: series.id().to_string(),
            issuer: series.issuer().to_owned(),
            key: series.pin(),
            scope: series.scope().to_string(),
            number: series.number_text(),
            this_update: series.this_update(),
            next_update: series.next_update(),
            revoked: crls.iter().map(|crl| crl.revoked()).max(),
            origins: crls
                .iter()
                .map(|crl| crl.file.display().to_string())
                .collect(),
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

/// A series that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenCrls {
    /// Its id.
    pub id: String,
    /// The CRLs' issuer.
    pub issuer: String,
    /// The highest CRL number that was known.
    pub number: Option<String>,
    /// The generation that serves without it.
    pub generation: u64,
}
