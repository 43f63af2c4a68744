//! CRLs as `openssl ca -gencrl` writes them: of a CA that changed its key under its old name, and older ones in the place of
//! newer ones.
use crate::harness::{Program, Stage, finish};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use sipward::daemon::{load, load_after};
use sipward::topology::Direction;
use sipward::trust::{Generation, Presented, decide};
use sipward_lab::site::Site;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "fe01.contoso.test";

/// A CA kept by `openssl ca`, with a key of its own under a name that others may have, too.
struct OpensslCa {
    directory: PathBuf,
}

impl OpensslCa {
    fn new(site: &Site, name: &str) -> Self {
        let directory = site.path().join(name);
        fs::create_dir(&directory).unwrap();
        let ca = Self { directory };
        let shown = ca.directory.display();
        ca.write("index.txt", "");
        ca.write("serial", if name == "old" { "1001" } else { "2001" });
        ca.write(
            "ca.cnf",
            &format!(
                "[ca]\ndefault_ca = d\n[d]\ndatabase = {shown}/index.txt\nserial = {shown}/serial\n\
                 new_certs_dir = {shown}\ncrlnumber = {shown}/crlnumber\ncertificate = {shown}/ca.pem\n\
                 private_key = {shown}/ca.key\ndefault_md = sha256\ndefault_days = 30\n\
                 default_crl_days = 1\npolicy = p\ncopy_extensions = copy\nunique_subject = no\n\
                 [p]\ncommonName = supplied\n\
                 [key]\nauthorityKeyIdentifier = keyid\n\
                 [long]\nauthorityKeyIdentifier = keyid:always,issuer:always\n\
                 [point]\nissuingDistributionPoint = critical,@idp\n\
                 [idp]\nonlyuser = TRUE\n"
            ),
        );
        let mut make = Command::new("openssl");
        make.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        make.args(["-nodes", "-days", "30", "-subj", "/CN=Contoso OpenSSL Root"]);
        make.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        make.arg("-keyout").arg(ca.file("ca.key"));
        make.arg("-out").arg(ca.file("ca.pem"));
        run(&make);
        ca
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn ca(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(["ca", "-batch", "-config"]);
        command.arg(self.file("ca.cnf")).args(arguments);
        run(&command);
    }

    /// A certificate for the home server.
    fn issue(&self) -> PathBuf {
        let mut request = Command::new("openssl");
        request.args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        request.args(["-nodes", "-subj", &format!("/CN={NAME}")]);
        request.args(["-addext", &format!("subjectAltName=DNS:{NAME}")]);
        request.arg("-keyout").arg(self.file("leaf.key"));
        request.arg("-out").arg(self.file("leaf.csr"));
        run(&request);
        let (request, leaf) = (self.file("leaf.csr"), self.file("leaf.pem"));
        self.ca(&[
            "-notext",
            "-in",
            request.to_str().unwrap(),
            "-out",
            leaf.to_str().unwrap(),
        ]);
        leaf
    }

    fn revoke(&self, certificate: &Path) {
        self.ca(&["-revoke", certificate.to_str().unwrap()]);
    }

    /// A CRL with this number, and with the extensions of a section if one is named.
    fn crl(&self, number: u8, extensions: Option<&str>) -> String {
        self.write("crlnumber", &format!("{number:02X}\n"));
        let out = self.file("crl.pem");
        let mut arguments = vec!["-gencrl", "-out", out.to_str().unwrap()];
        if let Some(section) = extensions {
            arguments.extend(["-crlexts", section]);
        }
        self.ca(&arguments);
        self.text("crl.pem")
    }
}

fn run(command: &Command) {
    let output = finish(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn reason(generation: &Generation, leaf: &Path) -> &'static str {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(leaf)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let presented = Presented {
        chain: &chain,
        expected: None,
        name: None,
        identity: None,
        staple: None,
    };
    match decide(&presented, Direction::Inbound, generation, UnixTime::now()) {
        Ok(peer) => peer.decision().reason.code(),
        Err(decision) => decision.reason.code(),
    }
}

/// A site whose enterprise CA is one of openssl's, with a state directory.
fn topology(site: &Site) -> PathBuf {
    let mut text = site.topology(&[(NAME, "127.0.0.1:5061".parse().unwrap())], None);
    text.section("[node]").text("state", "state");
    text.remove("[[trust]]", "name", "fabrikam-ca");
    site.write("topology.toml", &text.to_toml()).unwrap()
}

#[test]
fn a_ca_with_a_new_key_under_its_old_name_is_judged_by_the_crls_of_each_key() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let site = Site::new().unwrap();
    let (old, new) = (OpensslCa::new(&site, "old"), OpensslCa::new(&site, "new"));
    let (of_old, of_new) = (old.issue(), new.issue());
    let file = topology(&site);
    let put = |anchors: &str, crls: &str| {
        site.write("enterprise-ca.pem", anchors).unwrap();
        site.write("enterprise-ca.crl.pem", crls).unwrap();
    };
    put(&old.text("ca.pem"), &old.crl(20, None));
    let first = load(&file, 1).unwrap();
    assert_eq!(reason(&first, &of_old), "accepted");
    put(&new.text("ca.pem"), &new.crl(1, None));
    let second = load_after(&file, &first).unwrap();
    assert_eq!(second.refused_crls(), []);
    assert_eq!(reason(&second, &of_new), "accepted");
    // Both, while the old certificates are exchanged; the new key's CRL goes on with the old one's list.
    old.revoke(&of_old);
    let both = [old.text("ca.pem"), new.text("ca.pem")].concat();
    put(&both, &[old.crl(21, None), new.crl(2, None)].concat());
    let third = load_after(&file, &second).unwrap();
    assert_eq!(third.refused_crls(), []);
    assert_eq!(reason(&third, &of_old), "revoked");
    assert_eq!(reason(&third, &of_new), "accepted");
    new.revoke(&of_new);
    put(&both, &[old.crl(22, None), new.crl(3, None)].concat());
    let fourth = load_after(&file, &third).unwrap();
    assert_eq!(reason(&fourth, &of_new), "revoked");
}

#[test]
fn a_lower_number_is_refused_in_every_form_that_openssl_writes() {
    let Some(_stage) = Stage::enter(&[Program::Openssl]) else {
        return;
    };
    let site = Site::new().unwrap();
    let ca = OpensslCa::new(&site, "old");
    let leaf = ca.issue();
    let file = topology(&site);
    site.write("enterprise-ca.pem", &ca.text("ca.pem")).unwrap();
    let forms = [None, Some("key"), Some("long"), Some("point")];
    let old = forms.map(|form| ca.crl(19, form));
    ca.revoke(&leaf);
    for form in forms {
        site.write("enterprise-ca.crl.pem", &ca.crl(20, form))
            .unwrap();
        let held = load(&file, 1).unwrap();
        assert_eq!(reason(&held, &leaf), "revoked", "{form:?}");
        for (lower, lower_form) in old.iter().zip(forms) {
            site.write("enterprise-ca.crl.pem", lower).unwrap();
            let reloaded = load_after(&file, &held).unwrap();
            assert_eq!(
                reason(&reloaded, &leaf),
                "revoked",
                "{lower_form:?} in the place of {form:?}"
            );
        }
    }
}
