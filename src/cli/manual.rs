//! `sipward make-manual`: man pages and completions, for whoever makes a package.
//!
//! Behind the feature `man`: they need crates that nobody needs who builds the daemon. The command is hidden, and only the
//! packages' binary has it. Everything is made from what the program itself goes by: the command line that it parses, and the
//! table of keys that it reads the topology with.
mod topology_page;

use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs::{File, create_dir_all};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The command with its arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct ManualCommand {
    /// Where man1, man5 and completions are made
    pub directory: PathBuf,
}

impl ManualCommand {
    /// Writes the pages of a command line, and the completions for it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn run(&self, command_line: clap::Command) -> io::Result<()> {
        let (pages, formats) = (self.directory.join("man1"), self.directory.join("man5"));
        // One directory for each place that a package knows.
        let completions = self.directory.join("completions");
        for directory in [&pages, &formats, &completions] {
            create_dir_all(directory)?;
        }
        // Built, so that pages of subcommands have the name of the whole in front.
        let mut command_line = command_line.disable_help_subcommand(true);
        command_line.build();
        main_page(&command_line, &pages)?;
        for command in command_line.get_subcommands() {
            if !command.is_hide_set() {
                page_of(command, &pages)?;
            }
        }
        // Sections of the file and not of the program: section 5 of the manual.
        File::create(formats.join("sipward.toml.5"))?
            .write_all(topology_page::text().as_bytes())?;
        // The shells for which distributions have a place.
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut command_line, "sipward", &completions)?;
        }
        Ok(())
    }
}

/// A command, and those below it.
fn page_of(command: &clap::Command, directory: &Path) -> io::Result<()> {
    // `sipward-deny-add`, as man(1) is asked for it.
    let name = command.get_display_name().unwrap_or_default().to_owned();
    let mut page = File::create(directory.join(format!("{name}.1")))?;
    Man::new(command.clone()).render(&mut page)?;
    see_also(&["sipward(1)", "sipward.toml(5)"], &mut page)?;
    command
        .get_subcommands()
        // Of `deny add` and its like.
        .try_for_each(|below| page_of(below, directory))
}

/// The page of the whole, with what no command of its own has.
fn main_page(command: &clap::Command, directory: &Path) -> io::Result<()> {
    let mut page = File::create(directory.join("sipward.1"))?;
    Man::new(command.clone()).render(&mut page)?;
    // What no page of a single command would be searched for.
    let mut files = Roff::new();
    files.control("SH", ["FILES"]);
    // The defaults; a topology may name others.
    for (path, what) in [
        (
            "/etc/sipward/topology.toml",
            "the topology, sipward.toml(5)",
        ),
        (
            "/run/sipward/control.sock",
            "the control socket, for the daemon's user and root alone",
        ),
        (
            "/var/lib/sipward",
            "the newest CRLs that were proven, and denials",
        ),
    ] {
        files.control("TP", []);
        files.text([bold(path)]);
        files.text([roman(what)]);
    }
    // The numbers of src/cli/exit.rs.
    files.control("SH", ["EXIT STATUS"]);
    // Scripts go by them, and they do not change.
    for (code, what) in [
        ("0", "done; the answer is yes"),
        ("1", "a topology, a certificate or a check is refused"),
        (
            "2",
            "a wrong command line, or a question that cannot be asked",
        ),
        ("3", "a listener's address cannot be bound"),
        ("4", "plan finds that something would stop working"),
        ("69", "no running daemon answers"),
        ("70", "a system error"),
    ] {
        files.control("TP", []);
        files.text([bold(code)]);
        files.text([roman(what)]);
    }
    // Behind what mangen wrote: sections may follow in any order.
    files.to_writer(&mut page)?;
    see_also(
        &["sipward.toml(5)", "systemctl(1)", "openssl(1)"],
        &mut page,
    )
}

/// Where to read on; mangen has no such section.
fn see_also(pages: &[&str], out: &mut File) -> io::Result<()> {
    // Of pages that are installed with these, or on every host.
    let mut section = Roff::new();
    section.control("SH", ["SEE ALSO"]);
    section.text([roman(pages.join(", "))]);
    section.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_and_a_completion() {
        let directory = tempfile::tempdir().unwrap();
        let command = ManualCommand {
            directory: directory.path().to_owned(),
        };
        let sample = clap::Command::new("sipward")
            .about("About")
            .subcommand(clap::Command::new("deny").subcommand(clap::Command::new("add")))
            .subcommand(clap::Command::new("secret").hide(true));
        command.run(sample).unwrap();
        let mut pages: Vec<_> = std::fs::read_dir(directory.path().join("man1"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        pages.sort();
        assert_eq!(pages, ["sipward-deny-add.1", "sipward-deny.1", "sipward.1"]);
        let bash = directory.path().join("completions/sipward.bash");
        assert!(std::fs::read_to_string(bash).unwrap().contains("deny"));
    }
}
