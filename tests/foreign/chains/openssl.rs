//! `openssl verify` as somebody else's opinion: many leaves in one process.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it said of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opinion {
    /// The errors with their depth (0 is the leaf), in the order of the output; none means OK.
    pub(super) errors: Vec<(u32, u32)>,
    pub(super) accepted: bool,
}

impl Opinion {
    /// For a line of text.
    pub(super) fn text(&self) -> String {
        let error = |(number, depth): &(u32, u32)| format!("error {number} at {depth}");
        match self.errors[..] {
            [] => "OK".to_owned(),
            _ => self.errors.iter().map(error).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The files of one question.
pub(super) struct Question<'q> {
    pub(super) anchors: &'q str,
    pub(super) sent: &'q str,
    pub(super) crls: &'q str,
    pub(super) at: i64,
    /// `sslserver` or `sslclient`.
    pub(super) purpose: &'static str,
}

/// Whether the program is there. If it must be and is not, the test fails.
pub(crate) fn is_there() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let must = std::env::var("SIPWARD_INTEROP").as_deref() == Ok("require");
    assert!(!must, "openssl is not installed");
    eprintln!("SKIPPED: openssl is not installed");
    false
}

/// Asks about leaves, each a PEM file in `dir`.
pub(super) fn ask(
    dir: &Path,
    question: &Question<'_>,
    leaves: &[PathBuf],
) -> HashMap<PathBuf, Opinion> {
    let put = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-no-CApath", "-no-CAstore", "-purpose"])
        .arg(question.purpose)
        .args(["-attime", &question.at.to_string(), "-CAfile"])
        .arg(put("anchors.pem", question.anchors));
    if !question.sent.is_empty() {
        command
            .arg("-untrusted")
            .arg(put("sent.pem", question.sent));
    }
    command.arg("-crl_check_all");
    if !question.crls.is_empty() {
        command.arg("-CRLfile").arg(put("crls.pem", question.crls));
    }
    let output = command.args(leaves).output().unwrap();
    let mut opinions = HashMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(leaf) = line.strip_suffix(": OK") {
            let errors = Vec::new();
            let accepted = true;
            opinions.insert(leaf.into(), Opinion { errors, accepted });
        }
    }
    // A leaf's errors stand before the line with its name; of a leaf that passes in spite of some, nobody cares.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut errors = Vec::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["error", number, "at", depth, "depth", ..] => {
                errors.push((number.parse().unwrap(), depth.parse().unwrap()));
            }
            ["error", leaf, "verification", "failed"] => {
                let leaf = leaf.trim_end_matches(':').into();
                let errors = std::mem::take(&mut errors);
                let accepted = false;
                opinions.insert(leaf, Opinion { errors, accepted });
            }
            _ => {}
        }
    }
    for leaf in leaves {
        assert!(
            opinions.contains_key(leaf),
            "openssl says nothing of {}: {said}",
            leaf.display()
        );
    }
    opinions
}
