//! CRLs as any octets, read beside two libraries: what both sides read they read alike.
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use sipward::topology::{Crl, parse_crls};
use sipward_lab::pki::CrlSpec;
use sipward_lab::site::{HOME, Site};
use std::sync::OnceLock;
use webpki::BorrowedCertRevocationList;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// Sound ones: with entries, without, with a scope, and with an extension that nobody knows.
fn sound() -> &'static [Vec<u8>] {
    static SOUND: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let site = Site::new().unwrap();
        let issued: Vec<_> = (0..3)
            .map(|n| site.enterprise.server(&format!("fe0{n}.{HOME}")).unwrap())
            .collect();
        let listed = CrlSpec {
            revoked: issued.iter().map(|it| it.serial.clone()).collect(),
            number: 0x1234,
            ..CrlSpec::default()
        };
        let scoped = CrlSpec {
            point: Some(format!("http://crl.{HOME}/a.crl")),
            ..listed.clone()
        };
        let extended = CrlSpec {
            extensions: vec![(vec![0x2a, 3, 4], false, vec![4, 1, 7])],
            ..CrlSpec::default()
        };
        let of = |spec: &CrlSpec| site.enterprise.crl(spec).unwrap().to_vec();
        vec![
            of(&CrlSpec::default()),
            of(&listed),
            of(&scoped),
            of(&extended),
        ]
    })
}

/// One of the sound ones, as a start.
pub fn usual_crl(number: usize) -> Vec<u8> {
    let all = sound();
    all[number % all.len()].clone()
}

/// The first octet says what the rest is: changes to a sound CRL (two octets of a place, and an exclusive or), a CRL, or a
/// file of one or several. Whatever is read here and by a library is read alike.
pub fn crl(data: &[u8]) {
    let Some((&control, rest)) = data.split_first() else {
        return;
    };
    match control & 3 {
        0 => {
            let mut der = usual_crl(usize::from(control >> 2));
            for change in rest.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % der.len();
                der[at] ^= change[2];
            }
            one(&der);
        }
        1 => one(rest),
        _ => file(rest),
    }
}

fn one(der: &[u8]) {
    let Ok(ours) = Crl::read(der.to_vec()) else {
        return;
    };
    assert!(ours.this_update() <= 253_402_300_799, "after the year 9999");
    assert!(!ours.issuer().contains(char::is_control));
    if let Ok((rest, theirs)) = CertificateRevocationList::from_der(der)
        && rest.is_empty()
    {
        let serials: Vec<&[u8]> = theirs
            .iter_revoked_certificates()
            .map(|it| it.raw_serial())
            .collect();
        assert_eq!(ours.revoked(), serials.len());
        for serial in serials {
            assert!(ours.lists(serial), "a revoked serial is not found");
        }
        let moment = |at: x509_parser::time::ASN1Time| u64::try_from(at.timestamp()).unwrap_or(0);
        assert_eq!(ours.this_update(), moment(theirs.last_update()));
        assert_eq!(Some(ours.next_update()), theirs.next_update().map(moment));
        // Of a name that is broken inside that library keeps the part before the fault.
        assert!(ours.issuer_der().starts_with(theirs.issuer().as_raw()));
    }
    // What webpki takes is what a Rust server would otherwise have checked against.
    if let Ok(theirs) = BorrowedCertRevocationList::from_der(der) {
        let theirs: Result<Vec<_>, _> = theirs.into_iter().collect();
        if let Ok(theirs) = theirs {
            assert_eq!(ours.revoked(), theirs.len());
            for entry in theirs {
                assert!(
                    ours.lists(entry.serial_number),
                    "a revoked serial is not found"
                );
            }
        }
    }
}

fn file(text: &[u8]) {
    let Ok(ours) = parse_crls(text.to_vec()) else {
        return;
    };
    assert!(!ours.is_empty(), "a file without a CRL was taken");
    let theirs: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
    let Ok(theirs) = theirs else {
        return;
    };
    // A file in DER, and labels that only older programs write, are none to that library.
    if theirs.is_empty() || memchr::memmem::find(text, b"BEGIN CRL-").is_some() {
        return;
    }
    let ours: Vec<_> = ours.iter().map(|crl| *crl.digest()).collect();
    let theirs: Vec<_> = theirs
        .iter()
        .map(|der| *Crl::read(der.to_vec()).unwrap().digest())
        .collect();
    assert_eq!(ours, theirs);
}
