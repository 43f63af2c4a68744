//! How a series is kept in the state directory: a line with a digest of the rest, a line of JSON, and the CRLs in DER.
//!
//! The digest finds what a disk or a hand has damaged. What a record states of a CRL counts only once the key in it is found
//! to have signed the CRL.
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Crl, CrlReason, CrlScope, HeldCrl, one_of, printable, sha256};
use crate::trust::certificate::text::hex;
use crate::trust::revocation::crl_signature::is_signed_with;
use crate::trust::revocation::series::{Last, Series, SeriesId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Characters of an issuer's name that are taken from a record.
const MOST_ISSUER_TEXT: usize = 200;

/// Why a record is not used.
///
/// The daemon goes on without such a record and reports it; the CRLs come again from their sources.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is none, or not whole.
    #[error("{0}")]
    Damaged(&'static str),
    /// A CRL in it cannot be used.
    #[error("a CRL in it is not used: {}", .0.what())]
    Crl(CrlReason),
}

impl RecordError {
    /// The code of the CRL's refusal that it comes to.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged(_) => CrlReason::Malformed.code(),
            Self::Crl(refusal) => refusal.code(),
        }
    }
}

/// Names of keys in the JSON are the file format: a change needs another number in the mark.
#[derive(Serialize, Deserialize)]
struct RecordHead {
    /// SubjectPublicKeyInfo and Name as DER in base64, as are the names of the scope.
    key: String,
    issuer: String,
    issuer_text: String,
    users_only: bool,
    authorities_only: bool,
    names: Vec<String>,
    /// CRL numbers in base64.
    number: Option<String>,
    // Kept apart from `number`: the newest CRL may have none, and what is lower than any that was seen is a
    // rollback.
    highest: Option<String>,
    this_update: u64,
    next_update: u64,
    sets: BTreeSet<String>,
    /// What follows, in its order.
    crls: Vec<RecordedCrl>,
}

/// Where it came from is kept, too: a CRL that was fetched must be fetched again, and a file may still be
/// there.
#[derive(Serialize, Deserialize)]
struct RecordedCrl {
    bytes: usize,
    origin: PathBuf,
    fetched: bool,
}

impl Series {
    /// What a record begins with: a word, and the number of its form.
    ///
    /// A record of another form is refused as damaged, and an older daemon does the same with a newer form.
    pub const RECORD_MARK: &'static str = "sipward-crls 1 ";

    /// As it is kept.
    pub fn to_record(&self) -> Vec<u8> {
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
        let scope = self.scope();
        let last = self.last();
        let recorded = |crl: &HeldCrl| RecordedCrl {
            bytes: crl.der().len(),
            origin: crl.file.to_path_buf(),
            fetched: crl.fetched,
        };
        // All that cannot be read out of the CRLs themselves, or must outlive them.
        let head = RecordHead {
            key: base64(self.key()),
            issuer: base64(self.issuer_der()),
            issuer_text: self.issuer().to_owned(),
            users_only: scope.users_only,
            authorities_only: scope.authorities_only,
            names: scope.names().iter().map(|name| base64(name)).collect(),
            number: last.number.as_deref().map(base64),
            highest: last.highest.as_deref().map(base64),
            this_update: last.this_update,
            next_update: last.next_update,
            sets: self.sets().clone(),
            crls: self.crls().iter().map(recorded).collect(),
        };
        // A path that is no UTF-8 is the one thing in it that JSON cannot hold; without its place a CRL is as good.
        let json = serde_json::to_vec(&head).or_else(|_| {
            let mut head = head;
            for recorded in &mut head.crls {
                recorded.origin = PathBuf::from(recorded.origin.to_string_lossy().into_owned());
            }
            serde_json::to_vec(&head)
        });
        // The digest covers all that follows its line, so that no byte of a CRL can change unseen.
        let mut rest = json.unwrap_or_default();
        rest.push(b'\n');
        for crl in self.crls() {
            rest.extend_from_slice(crl.der());
        }
        let mut record = format!("{}{}\n", Self::RECORD_MARK, hex(&sha256(&rest))).into_bytes();
        record.append(&mut rest);
        record
    }

    /// Reads what was kept; the CRLs in it are read as those of a file are, and proven again.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let cut = || RecordError::Damaged("it is no record of a series of CRLs");
        // As a stranger's: the directory may have been restored from anywhere, or written by somebody else.
        let (mark, rest) = split_line(record).ok_or_else(cut)?;
        let digest = mark
            .strip_prefix(Self::RECORD_MARK.as_bytes())
            .ok_or_else(cut)?;
        if digest != hex(&sha256(rest)).as_bytes() {
            return Err(RecordError::Damaged("it is not what was written"));
        }
        let (head, mut left) = split_line(rest).ok_or_else(cut)?;
        let head: RecordHead = serde_json::from_slice(head).map_err(|_| cut())?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| cut());
        let some = |text: &Option<String>| text.as_deref().map(bytes).transpose();
        let key = bytes(&head.key)?;
        let issuer = bytes(&head.issuer)?;
        let name = NameKey::of(&issuer).ok_or_else(cut)?;
        // The scope is part of the series' identity, and of the file's name in the state directory.
        let names = head.names.iter().map(|name| bytes(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let scope = CrlScope::new(head.users_only, head.authorities_only, names);
        // What the record claims is compared with each CRL in it: a record cannot bring a CRL of another
        // issuer or scope into a series.
        let id = SeriesId::of(&key, &name, &scope);
        let signer = SubjectPublicKeyInfoDer::from(key.as_slice());
        let mut crls = Vec::new();
        for recorded in &head.crls {
            // Lengths are the record's own claim; what does not add up is damaged.
            let (der, after) = left.split_at_checked(recorded.bytes).ok_or_else(cut)?;
            left = after;
            // Equal CRLs of several records and files share one copy in memory.
            let crl = one_of(Crl::read(der.to_vec()).map_err(RecordError::Crl)?);
            // Proven again, and not taken from the record: the file is not protected by anything but its
            // place.
            if !is_signed_with(&crl, &signer) {
                return Err(RecordError::Crl(CrlReason::BadSignature));
            }
            let its = NameKey::of(crl.issuer_der()).ok_or_else(cut)?;
            if SeriesId::of(&key, &its, crl.scope()) != id {
                return Err(cut());
            }
            crls.push(HeldCrl {
                file: Path::new(&recorded.origin).into(),
                fetched: recorded.fetched,
                list: crl,
            });
        }
        // Bytes that belong to nothing: the record was cut or joined.
        if !left.is_empty() {
            return Err(cut());
        }
        let last = Last {
            number: some(&head.number)?,
            highest: some(&head.highest)?,
            this_update: head.this_update,
            next_update: head.next_update,
        };
        // Without this a record could hold an old CRL and claim the age of the newest.
        let agrees = |crl: &HeldCrl| {
            crl.this_update() == last.this_update && crl.number() == last.number.as_deref()
        };
        if !crls.is_empty() && !crls.iter().any(agrees) {
            return Err(cut());
        }
        // The name is only shown; the comparison is made with the DER.
        let issuer = (issuer, printable(&head.issuer_text, MOST_ISSUER_TEXT));
        let (crls, sets) = ((crls, last), head.sets);
        Ok(Self::kept(name, &key, issuer, scope, crls, sets))
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}
