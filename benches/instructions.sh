#!/usr/bin/env bash
# Counts the instructions in user space that a MESSAGE with its answer and a call cost the daemon's release build, with
# callgrind: as the difference of two runs, so the same in any hour. Another build is named with --binary PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null 2>&1 || { echo "instructions.sh: missing: valgrind (apt-get install valgrind)" >&2; exit 1; }
exec cargo bench --bench load -- instructions "$@"
