//! A topology file in the making: TOML tables in order, to be changed one by one before they are written.
use std::fmt::Write as _;

/// A table of the topology file: its keys with their values in TOML.
#[derive(Clone, Debug)]
pub struct TomlTable {
    /// `[name]`, or `[[name]]` for an element of an array.
    header: &'static str,
    /// In the order in which they were set; the values are TOML.
    keys: Vec<(String, String)>,
}

/// A topology file in the making: tables in order, to be changed before they are written. Text and not
/// sipward's types, so that tests can write what sipward must refuse.
#[derive(Clone, Debug, Default)]
pub struct TopologyText {
    sections: Vec<TomlTable>,
}

impl TopologyText {
    /// Adds a section at the end: `[log]`, `[[peer]]`.
    pub fn add(&mut self, header: &'static str) -> &mut TomlTable {
        self.sections.push(TomlTable {
            header,
            keys: Vec::new(),
        });
        #[expect(clippy::unwrap_used, reason = "one was just pushed")]
        self.sections.last_mut().unwrap()
    }

    /// Adds a `[[peer]]` of this kind, `home` or `federated`, for which one trust set vouches.
    pub fn peer(&mut self, fqdn: &str, kind: &str, trust: &str) -> &mut TomlTable {
        let peer = self.add("[[peer]]").text("fqdn", fqdn);
        peer.text("kind", kind).list("trust", &[trust])
    }

    /// The section with this header, added when it is not there yet; of several the first.
    pub fn section(&mut self, header: &'static str) -> &mut TomlTable {
        match self.sections.iter().position(|s| s.header == header) {
            #[expect(clippy::indexing_slicing, reason = "the position was just found")]
            Some(at) => &mut self.sections[at],
            None => self.add(header),
        }
    }

    /// The section with this header whose `key` is the text `value`, such as a peer by its `fqdn`.
    pub fn find(&mut self, header: &str, key: &str, value: &str) -> Option<&mut TomlTable> {
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

impl TomlTable {
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

/// A basic string of TOML. What Rust escapes, TOML escapes alike, for the texts that tests write.
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
