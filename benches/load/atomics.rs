//! How many atomic instructions a program has executed, locks among them: what it costs when cores are many.
//!
//! Callgrind counts each instruction by its address, and the disassembler says which of them are atomic. Only those of the
//! program itself are counted, its allocator and its cryptography included; what the C library does for a mutex that nobody
//! else holds is not.
use super::Outcome;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Valgrind, so that the file has the address of each instruction, and no abbreviation.
pub(crate) const CALLGRIND: &[&str] = &[
    "valgrind",
    "--quiet",
    "--tool=callgrind",
    "--dump-instr=yes",
    "--compress-pos=no",
    "--compress-strings=no",
];

/// How many of them a run executed that callgrind wrote to this file.
///
/// # Errors
/// There is no disassembler, or the file is not callgrind's.
pub(crate) fn executed(binary: &str, profile: &Path) -> Outcome<u64> {
    let atomic = atomic(binary)?;
    let text = fs::read_to_string(profile)?;
    if !text.contains("positions: instr") {
        return Err("callgrind wrote no addresses".into());
    }
    let name = fs::canonicalize(binary)?;
    let (mut of_program, mut of_call, mut sum) = (false, false, 0);
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            of_program = Path::new(object) == name;
        } else if line.starts_with("calls=") {
            // The next line has what the callee cost, which stands with the callee too.
            of_call = true;
        } else if line.starts_with("0x") && !std::mem::take(&mut of_call) && of_program {
            let mut words = line.split(' ');
            let address = words.next().and_then(|word| word.strip_prefix("0x"));
            let address = u64::from_str_radix(address.unwrap_or_default(), 16)?;
            if atomic.contains(&address) {
                sum += words.next_back().unwrap_or_default().parse::<u64>()?;
            }
        }
    }
    Ok(sum)
}

/// The addresses of a program's atomic instructions.
fn atomic(binary: &str) -> Outcome<HashSet<u64>> {
    let out = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(binary)
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let lines = text.lines().filter_map(|line| line.split_once(":\t"));
    // On x86 an exchange with memory is atomic without the prefix.
    let is_atomic =
        |it: &str| it.starts_with("lock ") || (it.starts_with("xchg ") && it.contains('('));
    let addresses = lines
        .filter(|(_, instruction)| is_atomic(instruction))
        .filter_map(|(address, _)| u64::from_str_radix(address.trim(), 16).ok());
    let addresses: HashSet<u64> = addresses.collect();
    match addresses.is_empty() {
        true => Err("the disassembler found no atomic instruction".into()),
        false => Ok(addresses),
    }
}
