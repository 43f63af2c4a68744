#!/usr/bin/env bash
# Measures sipward beside HAProxy (a raw TLS relay) and Kamailio (a stateful SIP proxy) from Debian's packages, each
# started afresh three times in turn, and prints the medians, the ratios and whether each bar is reached. sipward is the build that
# packages have (packaging/program), as the others are. Options are those of benches/load: benches/compare.sh --seconds 5 --starts 3
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v haproxy >/dev/null 2>&1 || missing+=(haproxy)
command -v kamailio >/dev/null 2>&1 || missing+=(kamailio kamailio-tls-modules)
if [ "${#missing[@]}" -gt 0 ]; then
    echo "compare.sh: missing: ${missing[*]} (apt-get install ${missing[*]})" >&2
    exit 1
fi
binary=$(packaging/program)
exec cargo bench --bench load -- compare --binary "$binary" "$@"
