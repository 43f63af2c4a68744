//! `sipward init`: a first topology with comments, token keys, and a list of what is still missing.
//!
//! Few questions, because each has a good default or an answer that only the operator has: what this node is called, which
//! domains it serves, and which servers stand behind it. Everything else is in the file as a comment or in docs/topology.md.
//! The file is complete: once certificates and CRLs are in place, `check` accepts it. Nothing that is there is overwritten.
mod answers;
mod given;
mod missing;
mod text;

use super::Exit;
use super::check::ServiceUser;
use super::complaint::complain;
use answers::SiteAnswers;
pub use given::Given;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufRead, ErrorKind, IsTerminal as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

/// The schema that the first line of the file names; editors complete and check by it.
const SCHEMA: &str = include_str!("../../config/topology.schema.json");

/// What `sipward init` is asked; what is left out is asked for on a terminal.
#[derive(Clone, Debug, clap::Args)]
pub struct InitCommand {
    /// The directory that gets topology.toml, token.keys and certs/
    #[arg(default_value = "/etc/sipward")]
    pub directory: PathBuf,
    /// What needs no question then.
    #[command(flatten)]
    pub given: Given,
}

impl InitCommand {
    /// Asks what is missing, if there is somebody to ask, and writes the files.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an answer that is no name, or none at all; [`Exit::Refused`] when a file is there already or
    /// cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Exit> {
        let stdin = io::stdin();
        let mut input = stdin.lock();
        // A script must not hang at a question that nobody reads.
        let asked: Option<&mut dyn BufRead> = match stdin.is_terminal() {
            true => Some(&mut input),
            false => None,
        };
        self.run_with(asked, out)
    }

    /// The same with the answers of this reader; `None`: nobody answers.
    fn run_with(&self, input: Option<&mut dyn BufRead>, out: &mut dyn Write) -> Result<(), Exit> {
        // First, and all of them: half the answers make no file.
        let answers = SiteAnswers::of(&self.given, input).map_err(|error| {
            complain(error);
            Exit::Usage
        })?;
        let made = self.make(&answers).map_err(|(path, error)| {
            let shown = path.display();
            // Two ways to fail, with two remedies.
            if error.kind() == ErrorKind::AlreadyExists {
                // Whatever is in it took somebody's time.
                complain(format_args!(
                    "{shown} is there already, and stays: name another directory, or move it away"
                ));
            } else {
                complain(format_args!("{shown} cannot be written: {error}"));
            }
            Exit::Refused
        })?;
        // Only what is new: whoever runs it again sees what has been kept.
        for path in made {
            writeln!(out, "made {}", path.display())?;
        }
        // Last, where a reader looks: what has to be done now.
        missing::show(&self.directory, &answers, out)?;
        Ok(())
    }

    /// The files, the topology first: if that is there, nothing else is touched.
    fn make(&self, answers: &SiteAnswers) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        let directory = &self.directory;
        // As root for the service's user; otherwise everything is the operator's own.
        let user = ServiceUser::usual();
        let at = |path: &Path, error| (path.to_owned(), error);
        make_directory(directory, user.as_ref()).map_err(|e| at(directory, e))?;
        let topology = directory.join("topology.toml");
        // Readable by the group, since the daemon reads it, and it holds no secret.
        let text = text::topology(answers);
        write_new(&topology, text.as_bytes(), 0o640).map_err(|e| at(&topology, e))?;
        // From here on nothing is in the way that a person wrote for this node.
        let mut made = vec![topology];
        // Empty: keys and certificates come from elsewhere.
        let certs = directory.join("certs");
        make_directory(&certs, user.as_ref()).map_err(|e| at(&certs, e))?;
        // Beside the file, since its first line names it by a relative path.
        let schema = directory.join("topology.schema.json");
        let keys = directory.join("token.keys");
        let key = token_key().map_err(|e| at(&keys, e))?;
        for (path, text, mode) in [(schema, SCHEMA, 0o644), (keys, key.as_str(), 0o600)] {
            match write_new(&path, text.as_bytes(), mode) {
                Ok(()) => made.push(path),
                // Keys that are there may be another node's, with which this one is to share its routes.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at(&path, error)),
            }
        }
        if let Some(user) = &user {
            for path in &made {
                // The keys must be its own to have mode 0600; the rest is read by its group.
                let owner = path.ends_with("token.keys").then(|| user.uid());
                chown(path, owner, Some(user.group())).map_err(|e| at(path, e))?;
            }
        }
        Ok(made)
    }
}

/// A directory that the service's group may search, if it is not there; what is there stays as it is.
fn make_directory(path: &Path, user: Option<&ServiceUser>) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(path) {
        Ok(()) => match user {
            Some(user) => chown(path, None, Some(user.group())),
            None => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file that is not there yet; a link in its place counts as there.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // The mode at the creation and not afterwards: in between a secret would be readable.
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    // A key that is lost in a power failure would end every route that it has signed.
    file.sync_all()
}

/// One line of the key file: the id 1 and 32 random bytes.
fn token_key() -> io::Result<String> {
    let mut key = [0; 32];
    // Without randomness there must be no key: everybody could forge routes.
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    // The form that [tokens] reads: the id, and 64 hex digits.
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "# Signs routes; the same on all nodes of a site. To rotate, put a new key with another id on top.\n1 {hex}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(directory: &Path) -> InitCommand {
        InitCommand {
            directory: directory.to_owned(),
            given: Given::default(),
        }
    }

    #[test]
    fn questions_are_asked_where_somebody_answers_and_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("etc");
        let answers = "Edge01.contoso.test.\n\ncontoso.test example.test\nfe01.contoso.test=10.0.0.11 fe02.contoso.test\n\n";
        let mut out = Vec::new();
        // An empty line where an answer is needed is asked again.
        let mut input = io::Cursor::new(answers);
        command(&directory)
            .run_with(Some(&mut input), &mut out)
            .unwrap();
        let text = std::fs::read_to_string(directory.join("topology.toml")).unwrap();
        for part in [
            "fqdn = \"edge01.contoso.test\"",
            "domains = [\"contoso.test\", \"example.test\"]",
            "address = [\"10.0.0.11\"]",
            "peers = [\"fe01.contoso.test\", \"fe02.contoso.test\"]",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("federated"), "{text}");
        let page = String::from_utf8(out).unwrap();
        assert!(
            page.contains("DNS:edge01.contoso.test,DNS:contoso.test"),
            "{page}"
        );
        let other = place.path().join("other");
        let nobody = command(&other).run_with(None, &mut Vec::new());
        assert_eq!(nobody, Err(Exit::Usage));
        // The answers end before the questions do.
        let mut input = io::Cursor::new("edge01.contoso.test\n");
        let cut = command(&other).run_with(Some(&mut input), &mut Vec::new());
        assert_eq!(cut, Err(Exit::Usage));
        assert!(!other.exists(), "nothing is made of half the answers");
    }
}
