//! The `sipward` program: parses the command line and turns a command's outcome into an exit code.

/// jemalloc, since it returns what a flood has taken within seconds, where glibc keeps it in the holes of its heap: after
/// 4,800 half-sent messages 25 MiB of 220, and of glibc's 334 there stay 249 (`cargo bench --bench hostile -- memory`).
///
/// It costs a message 0.4 % more instructions. Threads have caches of their own, so that what one allocates and frees
/// itself takes no lock here either.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    sipward::cli::main()
}
