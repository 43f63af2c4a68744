//! PEM as it comes from programs and people: every object is read, or the file is refused with what to do.
use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
const CRL: &str = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
/// What the three hold.
const OBJECT: [u8; 5] = [0x30, 3, 2, 1, 1];

fn count(text: &str) -> Result<usize, PemError> {
    certificates(text.as_bytes()).map(|found| found.len())
}

fn crls(file: Vec<u8>) -> Result<Vec<Vec<u8>>, PemError> {
    super::crls(file, 3)
}

/// The line that the fault names.
fn line_of<T: std::fmt::Debug>(outcome: Result<T, PemError>) -> usize {
    match outcome {
        Err(PemError::Broken { line, .. } | PemError::NotRead { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, PemError>) -> String {
    let error = outcome.unwrap_err();
    format!("{error}; {}", error.remedy())
}

#[test]
fn text_around_the_armour_and_what_belongs_beside_it_do_not_matter() {
    let file = format!("subject=/CN=a\n{KEY}{CERTIFICATE}issuer=b\n{CERTIFICATE}");
    assert_eq!(count(&file).unwrap(), 2);
    assert!(private_key(file.as_bytes()).is_ok());
    let file = format!("{CERTIFICATE}{CRL}");
    assert_eq!(crls(file.clone().into_bytes()).unwrap().len(), 1);
    let anchors = |wanted| certificates_for(file.as_bytes(), wanted).map(|found| found.len());
    assert_eq!(anchors(Wanted::AnchorsBesideCrls).unwrap(), 1);
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    assert!(private_key(format!("{parameters}{KEY}").as_bytes()).is_ok());
    assert_eq!(count(&format!("{parameters}{CERTIFICATE}")).unwrap(), 1);
}

#[test]
fn every_object_of_a_file_comes_out_however_its_lines_end() {
    let bag = "Bag Attributes\n    friendlyName: fe01\nKey Attributes: <No Attributes>\n---\n";
    let words = "-- the issuing CA --\n# end of the chain, begin of the rest\n 0 s:CN = a\n----\n";
    let unended = CERTIFICATE.trim_end();
    let body = "MAMC\n  AQE=\t\n";
    let files = [
        format!("{CERTIFICATE}{CERTIFICATE}"),
        format!("{unended}{CERTIFICATE}"),
        format!("{unended}{unended}"),
        format!("\u{feff}{CERTIFICATE}\u{feff}{CERTIFICATE}"),
        format!("{bag}{CERTIFICATE}{words}{CERTIFICATE}{words}"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace('\n', "\r\n"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace('\n', "\r"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace('\n', "\n\n"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace('\n', "  \n"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("-----\n", "-----\t\r\n"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("-----BEGIN", "   -----BEGIN"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("MAMCAQE=\n", body),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("MAMCAQE=\n", "MAMCAQE="),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("E-----\nM", "E-----M"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace(" CERTIFICATE", " X509 CERTIFICATE"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace(" CERTIFICATE", " TRUSTED CERTIFICATE"),
        format!("{CERTIFICATE}{CERTIFICATE}").replace("MAMC", "Subject: a\nNote: b\n  c\n\nMAMC"),
    ];
    for file in &files {
        let found = certificates(file.as_bytes());
        let found = found.unwrap_or_else(|error| panic!("{file:?}: {error}"));
        assert_eq!(found.len(), 2, "{file:?}");
        assert!(found.iter().all(|der| der.as_ref() == OBJECT), "{file:?}");
        let lists = file
            .replace(" X509 CERT", " CERT")
            .replace(" TRUSTED CERT", " CERT");
        let lists = crls(lists.replace("CERTIFICATE", "X509 CRL").into_bytes()).unwrap();
        assert_eq!(lists, [OBJECT, OBJECT], "{file:?}");
    }
    let glued = format!("{}{CERTIFICATE}", KEY.trim_end());
    assert_eq!(count(&glued).unwrap(), 1);
    assert!(private_key(glued.as_bytes()).is_ok());
    assert_eq!(count(&glued.replace('\n', "\r")).unwrap(), 1);
}

#[test]
fn what_looks_like_a_section_and_is_none_is_refused_with_its_line() {
    let files = [
        (
            2,
            "\n-----BEGIN CERTIFICATE----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----begin certificate-----\nMAMCAQE=\n-----end certificate-----\n",
        ),
        (
            2,
            "\n-----Begin Certificate-----\nMAMCAQE=\n-----End Certificate-----\n",
        ),
        (
            2,
            "\n\u{2014}--BEGIN CERTIFICATE\u{2014}--\nMAMCAQE=\n\u{2014}--END CERTIFICATE\u{2014}--\n",
        ),
        (2, "\n-----BEGINCERTIFICATE -----BEGIN\n"),
        (
            2,
            "\n-----BEGIN CERTIFICATE\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        ),
        (2, "\n-----BEGIN-----\n"),
        (
            4,
            "\nCERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        ),
        (2, "\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"),
        (2, "\n-----BEGIN CERTIFICATE-----"),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\nMAMC*QE=\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\n# MAMCAQE=\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\nMAMCAQ\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n=abcd\n-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END X509 CRL-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE----\n",
        ),
        (2, "\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE\n"),
        (
            2,
            "\n#-----BEGIN CERTIFICATE-----\n#MAMCAQE=\n#-----END CERTIFICATE-----\n",
        ),
        (
            2,
            "\n-----BEGIN PKCS7-----\nMAMCAQE=\n-----END PKCS7-----\n",
        ),
        (
            2,
            "\n-----BEGIN PKCS #7 SIGNED DATA-----\nMAMCAQE=\n-----END PKCS #7 SIGNED DATA-----\n",
        ),
        (
            2,
            "\n-----BEGIN CERTIFICAT-----\nMAMCAQE=\n-----END CERTIFICAT-----\n",
        ),
        (
            2,
            "\n---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
        ),
        (
            2,
            "\nMIIBjzCCATWgAwIBAgIUTePZ1BQKKgCracaIFnOag/4sEeIwCgYIKoZIzj0EAwIw\n-----END CERTIFICATE-----\n",
        ),
    ];
    for (line, odd) in files {
        for file in [odd.to_owned(), format!("{odd}{CERTIFICATE}")] {
            assert_eq!(line_of(certificates(file.as_bytes())), line, "{file:?}");
            let windows = file.replace('\n', "\r\n");
            assert_eq!(line_of(certificates(windows.as_bytes())), line, "{file:?}");
        }
        // Behind a good one it is told as well: four lines down.
        let file = format!("{CERTIFICATE}{odd}");
        assert_eq!(line_of(certificates(file.as_bytes())), line + 3, "{file:?}");
    }
}

#[test]
fn what_programs_wrap_pem_in_is_told_apart_from_nothing() {
    let twice =
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BTUNBUUU9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K\n";
    assert!(refused(certificates(twice.as_bytes())).contains("base64 -d"));
    assert!(refused(private_key(twice.as_bytes())).contains("base64 -d"));
    // One line with the escapes of JSON, a list of YAML, a quoted mail.
    for odd in [
        CERTIFICATE.replace('\n', "\\n"),
        CERTIFICATE.replace('\n', "\n- "),
        CERTIFICATE.replace('\n', "\n> "),
        CERTIFICATE.replace('\n', "\\\n"),
        CERTIFICATE.replace("MAMC", "MA\u{a0}MC"),
        CERTIFICATE.replace("MAMC", "MA\0MC"),
    ] {
        assert!(certificates(odd.as_bytes()).is_err(), "{odd:?}");
    }
}

#[test]
fn what_is_no_text_beside_pem_is_refused_with_its_line() {
    let der = [0x30, 3, 2, 1, 1];
    let utf16: Vec<u8> = CRL.bytes().flat_map(|octet| [octet, 0]).collect();
    for more in [&der[..], &utf16] {
        // Longer than what is looked at to tell the kind of a file.
        let first = format!("subject={}\n", "x".repeat(80));
        let behind = |text: &str| [first.as_bytes(), text.as_bytes(), more].concat();
        assert_eq!(line_of(certificates(&behind(CERTIFICATE))), 5);
        assert_eq!(line_of(crls(behind(CRL))), 5);
        assert_eq!(line_of(private_key(&behind(KEY))), 5);
        let between = [&behind(CRL)[..], b"\n", CRL.as_bytes()].concat();
        assert_eq!(line_of(crls(between)), 5);
    }
    // What editors and old systems leave, and names in other scripts, are text.
    let file = format!("\tsubject=Jos\u{e9}\n{CRL}\u{c}\n{CRL}\u{1a}");
    assert_eq!(crls(file.into_bytes()).unwrap().len(), 2);
    let latin = [b"subject=Jos\xe9\n", CERTIFICATE.as_bytes()].concat();
    assert_eq!(certificates(&latin).unwrap().len(), 1);
}

#[test]
fn a_crl_that_is_labelled_a_certificate_is_not_lost() {
    // version, algorithm, issuer, thisUpdate.
    let crl = [0x30, 22, 0x30, 20, 2, 1, 1, 0x30, 0, 0x30, 0, 0x17, 11]
        .iter()
        .chain(b"2611281200Z");
    let octets: Vec<u8> = crl.copied().collect();
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, octets);
    let labelled = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let file = format!("{CRL}{labelled}");
    assert_eq!(line_of(crls(file.into_bytes())), 4);
    assert_eq!(
        crls(format!("{CRL}{CERTIFICATE}").into_bytes())
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_cut_section_does_not_take_the_next_one_along() {
    let file = format!("-----BEGIN CERTIFICATE-----\nMAMC\n{CERTIFICATE}");
    assert_eq!(line_of(certificates(file.as_bytes())), 1);
    assert!(refused(certificates(file.as_bytes())).contains("another begins in line 3"));
}

#[test]
fn a_file_of_more_objects_than_are_read_is_refused_in_each_form() {
    assert_eq!(crls(OBJECT.repeat(3)).unwrap().len(), 3);
    assert_eq!(crls(CRL.repeat(3).into_bytes()).unwrap().len(), 3);
    for file in [OBJECT.repeat(4), CRL.repeat(4).into_bytes()] {
        assert_eq!(crls(file), Err(PemError::TooMany(3, "CRLs")));
    }
    let many = Err(PemError::TooMany(MOST_OBJECTS, "objects"));
    let empty = "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n";
    for file in [
        empty.repeat(MOST_OBJECTS + 1).into_bytes(),
        [0x30, 0].repeat(MOST_OBJECTS + 1),
    ] {
        assert_eq!(crls(file.clone()).map(|_| ()), many);
        assert_eq!(certificates(&file).map(|_| ()), many);
        assert_eq!(private_key(&file).map(|_| ()), many);
    }
}

#[test]
fn what_stands_in_the_wrong_file_is_refused_where_it_would_be_lost() {
    let both = format!("{CERTIFICATE}{CRL}");
    for wanted in [Wanted::Chain, Wanted::Anchors] {
        let said = refused(certificates_for(both.as_bytes(), wanted));
        assert!(said.contains("line 4") && said.contains("crls"), "{said}");
    }
    let both = format!("{CERTIFICATE}{KEY}");
    for wanted in [Wanted::Anchors, Wanted::AnchorsBesideCrls] {
        let said = refused(certificates_for(both.as_bytes(), wanted));
        assert!(
            said.contains("line 4") && said.contains("private key"),
            "{said}"
        );
    }
    assert_eq!(line_of(crls(format!("{CRL}{KEY}").into_bytes())), 4);
    assert_eq!(line_of(private_key(format!("{KEY}{CRL}").as_bytes())), 4);
    let ssh = KEY.replace("PRIVATE", "OPENSSH PRIVATE");
    assert!(refused(private_key(ssh.as_bytes())).contains("ssh-keygen"));
    let dsa = KEY.replace("PRIVATE", "DSA PRIVATE");
    assert_eq!(line_of(private_key(dsa.as_bytes())), 1);
}

#[test]
fn a_key_with_a_passphrase_says_so() {
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAMCAQE=\n-----END RSA PRIVATE KEY-----\n";
    let new =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let der = [0x30, 6, 0x30, 2, 5, 0, 4, 0];
    let mixed = format!("{CERTIFICATE}{}", old.replace('\n', "\r\n"));
    for file in [
        old.as_bytes(),
        new.as_bytes(),
        &der,
        mixed.as_bytes(),
        old.replace("RSA", "EC").as_bytes(),
        format!("{KEY}{new}").as_bytes(),
    ] {
        assert_eq!(private_key(file), Err(PemError::Passphrase));
    }
    // Beside a chain it does not matter; among anchors it does.
    assert_eq!(count(&mixed).unwrap(), 1);
    assert_eq!(count(&format!("{new}{CERTIFICATE}")).unwrap(), 1);
}

#[test]
fn a_file_of_another_kind_says_what_to_do() {
    let utf16: Vec<u8> = CERTIFICATE
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&[0xff, 0xfe], utf16.as_slice()].concat();
    let big: Vec<u8> = CERTIFICATE
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for file in [utf16, marked, big] {
        assert!(refused(certificates(&file)).contains("UTF-16"), "{file:x?}");
        assert!(refused(private_key(&file)).contains("UTF-16"));
        assert!(refused(crls(file)).contains("UTF-16"));
    }
    // What is neither is not told to be UTF-16.
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c, 4, 0];
    let picture = *b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0";
    for (file, what) in [
        (&gzip[..], "gzip"),
        (&picture[..], "nor any text"),
        (&[0; 64], "nor any text"),
    ] {
        for told in [refused(certificates(file)), refused(crls(file.to_vec()))] {
            assert!(told.contains(what) && !told.contains("UTF-16"), "{told}");
        }
    }
    // Version 3, a ContentInfo; then the same with an indefinite length.
    let definite = [0x30, 7, 2, 1, 3, 0x30, 2, 6, 0];
    let indefinite = [0x30, 0x80, 2, 1, 3, 0x30, 0x80, 6, 0, 0, 0, 0, 0];
    for file in [&definite[..], &indefinite] {
        assert!(refused(certificates(file)).contains("openssl pkcs12"));
        assert!(refused(private_key(file)).contains("openssl pkcs12"));
        assert!(refused(crls(file.to_vec())).contains("openssl pkcs12"));
    }
    let signed_data = [0x30, 4, 6, 0, 0xa0, 0];
    assert!(refused(certificates(&signed_data)).contains("openssl pkcs7 -inform DER"));
    assert!(refused(certificates(&OBJECT[..4])).contains("cut off"));
}

#[test]
fn der_is_read_where_it_is_what_is_wanted() {
    let certificate = [0x30, 4, 0x30, 0, 0x30, 0];
    assert_eq!(certificates(&certificate).unwrap()[0].as_ref(), certificate);
    let two = [certificate, certificate].concat();
    assert_eq!(certificates(&two).unwrap().len(), 2);
    assert_eq!(crls(two.clone()).unwrap().len(), 2);
    assert_eq!(crls(certificate.to_vec()).unwrap(), [certificate]);
    let trailing = [&certificate[..], &[0]].concat();
    assert!(refused(certificates(&trailing)).contains("behind its end"));
    let key = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(
        &aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap(),
    );
    let key = key.unwrap();
    assert!(private_key(key.as_ref()).is_ok());
    assert!(refused(certificates(key.as_ref())).contains("a private key in DER"));
    assert!(refused(private_key(&certificate)).contains("a certificate"));
}

#[test]
fn trust_settings_that_nobody_would_follow_are_refused() {
    use base64::Engine as _;
    let der = [&[0x30, 2, 5, 0][..], &[0x30, 2, 5, 0]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let file = CERTIFICATE
        .replace("MAMCAQE=", &text)
        .replace(" CERT", " TRUSTED CERT");
    let said = refused(certificates(file.as_bytes()));
    assert!(said.contains("trust settings"), "{said}");
}

#[test]
fn a_file_without_the_wanted_object_says_what_is_missing() {
    for file in ["", "\n", "nothing", "\u{feff}", "0 s:CN = a\n", KEY] {
        let nothing = |outcome| assert!(matches!(outcome, Err(PemError::Nothing(_))), "{file:?}");
        nothing(certificates(file.as_bytes()).map(|_| ()));
        if file != KEY {
            nothing(crls(file.into()).map(|_| ()));
            nothing(private_key(file.as_bytes()).map(|_| ()));
        }
    }
    assert!(matches!(
        crls(CERTIFICATE.into()),
        Err(PemError::Nothing(_))
    ));
    assert!(matches!(
        private_key(CERTIFICATE.as_bytes()),
        Err(PemError::Nothing(_))
    ));
    let two = format!("{KEY}{KEY}");
    assert!(matches!(
        private_key(two.as_bytes()),
        Err(PemError::SeveralKeys)
    ));
}

#[test]
fn a_megabyte_of_markers_is_read_in_one_pass() {
    let many = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----".repeat(16_000);
    assert_eq!(count(&many).unwrap(), 16_000);
    let dashes = "-".repeat(1 << 20);
    assert!(certificates(dashes.as_bytes()).is_err());
    for word in [
        "END END-END BEGIN ",
        "END ",
        "--END ",
        "--END a",
        "-----BEGIN ",
        ": ",
    ] {
        assert!(certificates(word.repeat(1 << 17).as_bytes()).is_err());
    }
}
