//! A throw-away site on disk: two authorities, the edge's certificate, CRLs and a topology file, in one directory.
use super::LabError;
use super::pki::{Authority, Issued};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

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

/// A table of the topology file: its keys with their values in TOML.
#[derive(Clone, Debug)]
pub struct Section {
    header: &'static str,
    keys: Vec<(String, String)>,
}

/// A topology file in the making: sections in order, to be changed before it is written.
#[derive(Clone, Debug, Default)]
pub struct TopologyText {
    sections: Vec<Section>,
}

impl Site {
    /// Makes the PKI and writes certificates and CRLs into a new temporary directory.
    ///
    /// # Errors
    /// The directory or a file cannot be written, or a certificate not be made.
    pub fn new() -> Result<Self, LabError> {
        let dir = tempfile::Builder::new()
            .prefix("sipward-lab-")
            .tempdir()
            .map_err(file_error)?;
        let enterprise = Authority::root("Contoso Lab CA")?;
        let fabrikam = Authority::root("Fabrikam Lab CA")?;
        let edge = enterprise.server(EDGE)?;
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
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.dir.path().join(name);
        let _ = fs::remove_file(&path);
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error)?;
        file.write_all(text.as_bytes()).map_err(file_error)?;
        Ok(path)
    }

    /// Writes `NAME.chain.pem` and `NAME.key.pem`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn issue(&self, name: &str, issued: &Issued) -> Result<(), LabError> {
        self.write(&format!("{name}.chain.pem"), &issued.chain_pem)?;
        self.write(&format!("{name}.key.pem"), &issued.key_pem)?;
        Ok(())
    }

    /// Writes both authorities' CRLs, valid for an hour.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn revoke(&self, enterprise: &[&Issued], fabrikam: &[&Issued]) -> Result<(), LabError> {
        let hour = Duration::from_secs(3600);
        self.write(
            "enterprise-ca.crl.pem",
            &self.enterprise.crl_pem(enterprise, hour)?,
        )?;
        self.write(
            "fabrikam-ca.crl.pem",
            &self.fabrikam.crl_pem(fabrikam, hour)?,
        )?;
        Ok(())
    }

    /// The usual topology: one listener for both roles on a free port, the home pool with these members, and the partner
    /// if it has an address.
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
        for (name, ca) in [
            ("enterprise-ca", "enterprise-ca"),
            ("fabrikam-ca", "fabrikam-ca"),
        ] {
            t.add("[[trust]]")
                .text("name", name)
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
            t.add("[[peer]]")
                .text("fqdn", fqdn)
                .text("kind", "home")
                .list("trust", &["enterprise-ca"])
                .list("address", &[&address.to_string()]);
        }
        if let Some(address) = partner {
            t.add("[[peer]]")
                .text("fqdn", PARTNER_EDGE)
                .text("kind", "federated")
                .list("domains", &[PARTNER])
                .list("trust", &["fabrikam-ca"])
                .list("address", &[&address.to_string()]);
        }
        let members: Vec<&str> = home.iter().map(|(fqdn, _)| *fqdn).collect();
        t.add("[[pool]]")
            .text("name", "front-end")
            .list("domains", &[HOME])
            .list("peers", &members)
            .text("strategy", "ordered");
        t.add("[limits]");
        t.add("[log]")
            .text("requests", "all")
            .text("format", "json");
        t.add("[tokens]").text("key_file", "tokens.key");
        t
    }
}

impl TopologyText {
    /// Adds a section at the end: `[log]`, `[[peer]]`.
    pub fn add(&mut self, header: &'static str) -> &mut Section {
        self.sections.push(Section {
            header,
            keys: Vec::new(),
        });
        #[expect(clippy::unwrap_used, reason = "one was just pushed")]
        self.sections.last_mut().unwrap()
    }

    /// The section with this header, added when it is not there yet; of several the first.
    pub fn section(&mut self, header: &'static str) -> &mut Section {
        match self.sections.iter().position(|s| s.header == header) {
            #[expect(clippy::indexing_slicing, reason = "the position was just found")]
            Some(at) => &mut self.sections[at],
            None => self.add(header),
        }
    }

    /// The section with this header whose `key` is the text `value`, such as a peer by its `fqdn`.
    pub fn find(&mut self, header: &str, key: &str, value: &str) -> Option<&mut Section> {
        let wanted = (key.to_owned(), quoted(value));
        self.sections
            .iter_mut()
            .find(|s| s.header == header && s.keys.contains(&wanted))
    }

    /// Takes out every section with this header whose `key` is the text `value`.
    pub fn remove(&mut self, header: &str, key: &str, value: &str) -> &mut Self {
        let wanted = (key.to_owned(), quoted(value));
        self.sections
            .retain(|s| s.header != header || !s.keys.contains(&wanted));
        self
    }

    /// The file.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            out.push_str(section.header);
            out.push('\n');
            for (key, value) in &section.keys {
                let _ = writeln!(out, "{key} = {value}");
            }
            out.push('\n');
        }
        out
    }
}

impl Section {
    /// Sets a key to a value written in TOML.
    pub fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        self.keys.retain(|(k, _)| k != key);
        self.keys.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets a key to a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, &quoted(value))
    }

    /// Sets a key to a list of texts.
    pub fn list(&mut self, key: &str, values: &[&str]) -> &mut Self {
        let items: Vec<String> = values.iter().map(|v| quoted(v)).collect();
        self.raw(key, &format!("[{}]", items.join(", ")))
    }

    /// A key's value as written in TOML.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.keys
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Takes a key out.
    pub fn without(&mut self, key: &str) -> &mut Self {
        self.keys.retain(|(k, _)| k != key);
        self
    }
}

fn file_error(source: io::Error) -> LabError {
    LabError::Io {
        end: "lab".to_owned(),
        what: "write to the temporary directory",
        source,
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_text_is_changed_section_by_section() {
        let mut t = TopologyText::default();
        t.add("[node]")
            .text("fqdn", "a.test")
            .list("domains", &["a", "b"]);
        t.add("[[peer]]").text("fqdn", "x.test");
        t.add("[[peer]]").text("fqdn", "y.test");
        t.find("[[peer]]", "fqdn", "y.test")
            .unwrap()
            .raw("common_name", "true");
        t.remove("[[peer]]", "fqdn", "x.test");
        t.section("[limits]").raw("handshakes", "5");
        assert_eq!(
            t.to_toml(),
            "[node]\nfqdn = \"a.test\"\ndomains = [\"a\", \"b\"]\n\n[[peer]]\nfqdn = \"y.test\"\ncommon_name = true\n\n[limits]\nhandshakes = 5\n\n"
        );
    }
}
