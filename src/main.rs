//! The `sipward` program: parses the command line and turns a command's outcome into an exit code.

fn main() -> std::process::ExitCode {
    sipward::cli::main()
}
