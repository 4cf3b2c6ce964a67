#!/usr/bin/env bash
# Every check of the project, each of which runs even when an earlier one failed. The last line is the sum:
# formatting, lints, documentation, SQL descriptions, dependency policy and log lines count as one each, tests as they are.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SQLX_OFFLINE=true

# A test that hangs must fail the run rather than keep a machine for ever; the whole suite takes minutes.
tests_limit=${VIGIE_TESTS_LIMIT:-50m}

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

check() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        broken+=("$name")
    fi
}

document() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
}

# Adds up the lines "test result: ok. 8 passed; 0 failed; 1 ignored; ...": one per test program, one per crate's doc tests.
count() {
    awk -v word="$1" '/^test result: / { for (i = 2; i <= NF; i++) if ($i == word ";") sum += $(i - 1) } END { print sum + 0 }' "$log"
}

broken=()
check "cargo fmt" cargo fmt --all --check
check "cargo clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
check "cargo doc" document
check "SQL described as the database says" scripts/prepare-sql.sh --check
if command -v cargo-deny >/dev/null; then
    check "cargo deny" cargo deny --locked check bans licenses sources
fi

# The program that the acceptance tests start, built along with the tests: asked for alone, it would have its dependencies
# with other features, and most of them would be compiled once more.
check "cargo build" cargo build --locked --workspace --all-targets
export VIGIE_BINARY=${CARGO_TARGET_DIR:-$PWD/target}/debug/vigie

echo "== cargo test"
# In a terminal Ctrl-C has to reach the tests; elsewhere the limit has to reach what the tests started.
foreground=()
[[ ! -t 0 ]] || foreground=(--foreground)
timeout "${foreground[@]}" --kill-after=30s "$tests_limit" cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
tests_failed=$(count failed)
passed=$((passed + $(count passed)))
failed=$((failed + tests_failed))
if ((status != 0)); then
    # Code that does not compile, or a test program that dies, has no line to count.
    ((tests_failed > 0)) || failed=$((failed + 1))
    ((status != 124 && status != 137)) || echo "the tests took longer than $tests_limit"
    broken+=("cargo test")
fi

# A test that passes and yet leaves a warning nobody expected has seen something (crates/testkit/src/logs.rs).
no_unexpected_log_line() {
    ! grep -F "UNEXPECTED LOG LINE" "$log"
}
check "no unexpected WARN or ERROR line" no_unexpected_log_line

((${#broken[@]} == 0)) || printf 'failed: %s\n' "${broken[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
