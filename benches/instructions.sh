#!/usr/bin/env bash
# Counts the instructions in user space that a MESSAGE with its answer and a call cost the daemon, with callgrind: as the
# difference of two runs, so the same in any hour. Of the shipped build (packaging/program); another one is named with --binary PATH.
# With --check, which .ci/run runs: of the profile `counted`, which is sooner built. Fails when a figure is
# more than 3 % above the one in benches/instructions.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null 2>&1 || { echo "instructions.sh: missing: valgrind (apt-get install valgrind)" >&2; exit 1; }
arguments=()
if [ "${1:-}" = --check ]; then
    shift
    # As an operator builds it who needs no demo.
    cargo build --locked --profile counted --package sipward --bin sipward --no-default-features
    arguments=(--binary "${CARGO_TARGET_DIR:-target}/counted/sipward" --against benches/instructions.txt)
elif [ "${1:-}" != --binary ]; then
    binary=$(packaging/program)
    arguments=(--binary "$binary")
fi
# The generator is that of the tests: its own speed counts for nothing.
exec cargo test --locked --bench load -- instructions "${arguments[@]}" "$@"
