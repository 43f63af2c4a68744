//! A throw-away site on disk: two authorities, the edge's certificate, CRLs and a topology file, in one
//! directory.
pub use super::topology_text::{TomlTable, TopologyText};

use super::LabError;
use super::pki::{Authority, Issued, LeafSpec, write_file};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The edge's name.
pub const EDGE: &str = "edge01.contoso.test";
/// The home domain.
pub const HOME: &str = "contoso.test";
/// The partner's domain.
pub const PARTNER: &str = "fabrikam.test";
/// The partner's server.
pub const PARTNER_EDGE: &str = "edge.fabrikam.test";

/// Authorities and the directory with what they issued.
pub struct Site {
    dir: tempfile::TempDir,
    /// The home CA: the edge and the home servers.
    pub enterprise: Authority,
    /// The partner's CA.
    pub fabrikam: Authority,
    /// What the edge shows.
    pub edge: Issued,
}

impl Site {
    /// Makes the PKI and writes certificates and CRLs into a new temporary directory. Every site has CAs of
    /// its own, so tests that run side by side cannot trust each other by mistake.
    ///
    /// # Errors
    /// The directory or a file cannot be written, or a certificate not be made.
    pub fn new() -> Result<Self, LabError> {
        let dir = tempfile::Builder::new()
            .prefix("sipward-lab-")
            .tempdir()
            .map_err(LabError::io("lab", "make a temporary directory"))?;
        let enterprise = Authority::root("Contoso Lab CA")?;
        let fabrikam = Authority::root("Fabrikam Lab CA")?;
        let edge = enterprise.issue(&LeafSpec::edge(EDGE, HOME))?;
        let site = Self {
            dir,
            enterprise,
            fabrikam,
            edge,
        };
        site.write("enterprise-ca.pem", &site.enterprise.certificate_pem())?;
        site.write("fabrikam-ca.pem", &site.fabrikam.certificate_pem())?;
        site.issue("edge", &site.edge)?;
        site.revoke(&[], &[])?;
        // A fixed key: tokens of an earlier site verify here, which tests of restarts use.
        let key: String = (0..32).map(|n| format!("{n:02x}")).collect();
        site.write("tokens.key", &format!("1 {key}\n"))?;
        Ok(site)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps the directory when the site is dropped.
    pub fn keep(mut self) -> Self {
        self.dir.disable_cleanup(true);
        self
    }

    /// Writes a file that only its owner may read: what is asked of keys serves for all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, LabError> {
        // Replaced and not overwritten: who still has the old file open reads the old content, as after an
        // operator's rename.
        let path = self.dir.path().join(name);
        write_file(&path, text, 0o600)?;
        Ok(path)
    }

    /// Writes `NAME.chain.pem` and `NAME.key.pem`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn issue(&self, name: &str, issued: &Issued) -> Result<(), LabError> {
        issued.write_to(self.path(), name)?;
        Ok(())
    }

    /// Writes both authorities' CRLs, valid for an hour.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn revoke(&self, enterprise: &[&Issued], fabrikam: &[&Issued]) -> Result<(), LabError> {
        let hour = Duration::from_secs(3600);
        let enterprise = self.enterprise.crl_pem(enterprise, hour)?;
        self.write("enterprise-ca.crl.pem", &enterprise)?;
        let fabrikam = self.fabrikam.crl_pem(fabrikam, hour)?;
        self.write("fabrikam-ca.crl.pem", &fabrikam)?;
        Ok(())
    }

    /// The usual topology: one listener for both roles on a free port, the home pool with these members, and
    /// the partner if it has an address.
    pub fn topology(
        &self,
        home: &[(&str, SocketAddr)],
        partner: Option<SocketAddr>,
    ) -> TopologyText {
        let mut t = TopologyText::default();
        t.add("[node]").text("fqdn", EDGE).list("domains", &[HOME]);
        t.add("[[identity]]")
            .text("name", "edge")
            .text("certificate", "edge.chain.pem")
            .text("private_key", "edge.key.pem");
        // Both sets demand CRLs, which is the default that operators are to keep.
        for ca in ["enterprise-ca", "fabrikam-ca"] {
            t.add("[[trust]]")
                .text("name", ca)
                .text("anchors", &format!("{ca}.pem"))
                .list("crls", &[&format!("{ca}.crl.pem")])
                .text("revocation", "require");
        }
        t.add("[[listener]]")
            .text("name", "edge")
            .text("address", "127.0.0.1:0")
            .text("identity", "edge")
            .list("accept", &["client", "peer"]);
        for (fqdn, address) in home {
            t.peer(fqdn, "home", "enterprise-ca")
                .list("address", &[&address.to_string()]);
        }
        if let Some(address) = partner {
            t.peer(PARTNER_EDGE, "federated", "fabrikam-ca")
                .list("domains", &[PARTNER])
                .list("address", &[&address.to_string()]);
        }
        let members: Vec<&str> = home.iter().map(|(fqdn, _)| *fqdn).collect();
        t.add("[[pool]]")
            .text("name", "front-end")
            .list("domains", &[HOME])
            .list("peers", &members)
            // In order, so that a test knows which server is asked first.
            .text("strategy", "ordered");
        t.add("[limits]");
        t.add("[log]")
            .text("requests", "all")
            .text("format", "json");
        t.add("[tokens]").text("key_file", "tokens.key");
        t
    }

    /// The usual topology with one home server and these partners: by a label below `.test`, and that of a second domain
    /// below it.
    pub fn with_partners<'p>(
        &self,
        partners: impl IntoIterator<Item = (String, &'p str)>,
    ) -> String {
        // The discard port: nothing is ever sent there.
        let mut t = self.topology(&[("fe01.contoso.test", ([127, 0, 0, 1], 9).into())], None);
        for (label, second) in partners {
            let domain = format!("{label}.test");
            t.peer(&format!("sip.{domain}"), "federated", "fabrikam-ca")
                .list("domains", &[&domain, &format!("{second}.{domain}")]);
        }
        t.to_toml()
    }
}
