//! Network namespaces: machines of their own for programs that want a whole address, or a wire between them.
use super::feed::Mark;
use super::process::Process;
use std::ffi::OsStr;
use std::process::Command;

/// One namespace; it ends with the value, and so does its end of the wire.
pub(crate) struct Namespace {
    /// What keeps it.
    holder: Process,
}

impl Namespace {
    /// Two of them with a wire in between, whose ends have these addresses and names.
    pub(crate) fn on_one_wire(ends: [(&str, &str); 2]) -> [Self; 2] {
        let made = [Self::new(), Self::new()];
        let [one, two] = [&made[0], &made[1]].map(|it| it.holder.id().to_string());
        let link = ["link", "add", ends[0].1, "netns", &one, "type", "veth"];
        let peer = ["peer", "name", ends[1].1, "netns", &two];
        run(Command::new("ip").args(link).args(peer));
        for (inside, (address, name)) in made.iter().zip(ends) {
            run(inside
                .command("ip")
                .args(["addr", "add", address, "dev", name]));
            for up in ["lo", name] {
                run(inside.command("ip").args(["link", "set", up, "up"]));
            }
        }
        made
    }

    fn new() -> Self {
        let mut command = Command::new("unshare");
        // What it says comes from inside.
        command.args(["--net", "sh", "-c", "echo inside; exec sleep 600"]);
        let holder = Process::start("a namespace", &mut command);
        holder.wait_text(Mark::START, "inside");
        Self { holder }
    }

    /// A program that runs inside.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id()));
        command.arg(program);
        command
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
