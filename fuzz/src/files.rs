//! Files on the disk, as any octets: certificates and keys in PEM or DER, and the CRLs that are kept in the state directory.
use super::scene::scene;
use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sipward::topology::{certificates_in, private_key_in};
use sipward::trust::Series;
use sipward_lab::site::{HOME, Site};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Sound files: a chain, a key, both with a comment between them; and the same in DER.
fn sound() -> &'static [Vec<u8>] {
    static SOUND: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let site = Site::new().unwrap();
        let issued = site.enterprise.server(&format!("fe01.{HOME}")).unwrap();
        let both = format!("{}# its key\n{}", issued.chain_pem, issued.key_pem);
        vec![
            issued.chain_pem.into_bytes(),
            issued.key_pem.into_bytes(),
            both.into_bytes(),
            issued.chain.iter().flat_map(|it| it.to_vec()).collect(),
            issued.key.secret_der().to_vec(),
        ]
    })
}

/// What is kept, and what may be in it.
type Records = (Vec<Vec<u8>>, BTreeSet<[u8; 32]>);

/// Records as this program keeps them, and the digests of the CRLs in them, all that their authorities have signed.
fn records() -> &'static Records {
    static RECORDS: OnceLock<Records> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let series = scene().generation.ledger().all();
        let crls = series.iter().flat_map(|series| series.crls());
        let signed = crls.map(|crl| *crl.digest()).collect();
        (series.iter().map(|it| it.to_record()).collect(), signed)
    })
}

/// Alters octets: triples of a place (two octets) and an exclusive or.
fn altered(mut octets: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % octets.len();
        octets[at] ^= change[2];
    }
    octets
}

/// The first octet says what the rest is: a file, changes to a sound one, a record, or changes to a record, with its digest
/// made anew or not.
pub fn files(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    let number = usize::from(control >> 3);
    match control & 3 {
        0 => objects(rest),
        1 => objects(&altered(sound()[number % sound().len()].clone(), rest)),
        2 => record(rest),
        _ => {
            let all = &records().0;
            let mut octets = altered(all[number % all.len()].clone(), rest);
            if control & 4 != 0
                && let Some(end) = octets.iter().position(|octet| *octet == b'\n')
            {
                let digest = digest(&SHA256, &octets[end + 1..]);
                let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
                let mark = [Series::RECORD_MARK.as_bytes(), hex.as_bytes()].concat();
                octets.splice(..end, mark);
            }
            record(&octets);
        }
    }
}

/// What another library finds in a file is found, whatever stands beside it, or the file is refused.
fn objects(file: &[u8]) {
    if let Ok(ours) = certificates_in(file) {
        assert!(!ours.is_empty(), "a file without a certificate was taken");
        let theirs = CertificateDer::pem_slice_iter(file).map_while(Result::ok);
        for one in theirs {
            assert!(ours.contains(&one), "a certificate is passed over");
        }
    }
    if let Ok(ours) = private_key_in(file)
        && let Ok(theirs) = PrivateKeyDer::from_pem_slice(file)
    {
        assert!(ours == theirs, "another key");
    }
}

/// Whatever a record says, only CRLs count that their authority has signed, and it is written again as it was read.
fn record(octets: &[u8]) {
    let Ok(series) = Series::from_record(octets) else {
        return;
    };
    for crl in series.crls() {
        assert!(
            records().1.contains(crl.digest()),
            "a CRL that nobody signed"
        );
    }
    assert!(!series.issuer().contains(char::is_control));
    let written = series.to_record();
    let again = Series::from_record(&written).unwrap();
    assert_eq!(again.id(), series.id());
    assert_eq!(again.to_record(), written);
}
