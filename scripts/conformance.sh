#!/usr/bin/env bash
# The conformance suite of broker/tests/conformance, and what it found per version of MQTT. It runs against our listener, or
# against the server named by VIGIE_CONFORMANCE_TARGET (host:port); VIGIE_CONFORMANCE_EXPECTED names a list of expected
# failures of that server. Arguments go to the test program: a part of a case's name, for instance.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SQLX_OFFLINE=true

suite=broker/tests/conformance
if [[ -n ${VIGIE_CONFORMANCE_EXPECTED:-} ]]; then
    VIGIE_CONFORMANCE_EXPECTED=$(realpath "$VIGIE_CONFORMANCE_EXPECTED")
    export VIGIE_CONFORMANCE_EXPECTED
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Most cases wait for the network or for time to pass: more of them at once than there are processors.
cargo test --locked --workspace --test conformance -- --test-threads=16 "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

# The lists that the run went by.
expected=${VIGIE_CONFORMANCE_EXPECTED:-}
[[ -n $expected || -n ${VIGIE_CONFORMANCE_TARGET:-} ]] || expected=$suite/expected_failures.txt

summary() {
    local title=$1 prefix=$2 list=$3
    local statements without cases passed failed expected_failures
    statements=$(grep -cv -e '^#' -e '^$' "$list")
    without=$(grep -c '| none:' "$list")
    passed=$(grep -cE "^test .*::${prefix}_[a-z0-9_]+ \.\.\. ok$" "$log")
    failed=$(grep -cE "^test .*::${prefix}_[a-z0-9_]+ \.\.\. FAILED$" "$log")
    cases=$((passed + failed))
    # Of the cases that ran: those on the list count as passed to the test program only while they fail.
    expected_failures=0
    if [[ -n $expected ]]; then
        while read -r name; do
            ! grep -qE "^test .*::$name \.\.\. ok$" "$log" || expected_failures=$((expected_failures + 1))
        done < <(grep -oE "^${prefix}_[a-z0-9_]+" "$expected")
    fi
    printf 'MQTT %s: %d statements (%d without a case, each with its reason); %d cases: %d passed, %d failed as expected, %d failed\n' \
        "$title" "$statements" "$without" "$cases" $((passed - expected_failures)) "$expected_failures" "$failed"
}

echo "== conformance of ${VIGIE_CONFORMANCE_TARGET:-our listener}"
summary 3.1.1 mqtt311 "$suite/statements_v311.txt"
summary 5.0 mqtt5 "$suite/statements_v5.txt"
exit "$status"
