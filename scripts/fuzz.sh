#!/usr/bin/env bash
# Feeds made-up bytes to everything that reads what strangers send (fuzz/). Stops at the first input of a target that makes
# it panic, and leaves that input in fuzz/artifacts/.
#
#   scripts/fuzz.sh [--seconds N] [--at-once N] [target ...]
#
# Without targets all of them; 60 seconds each unless told, one after the other unless told. What it finds interesting is
# kept in fuzz/grown/ (not committed) and used again by the next run. Needs a nightly toolchain for the sanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export SQLX_OFFLINE=true

seconds=60
at_once=1
targets=()
while (($# > 0)); do
    case $1 in
        --seconds | --at-once)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $1 takes a number" >&2; exit 64; }
            if [[ $1 == --seconds ]]; then seconds=$2; else at_once=$2; fi
            shift 2
            ;;
        -h | --help) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        -*) echo "fuzz: unknown option $1" >&2; exit 64 ;;
        *) targets+=("$1"); shift ;;
    esac
done
mapfile -t known < <(basename -s .rs -a fuzz/fuzz_targets/*.rs)
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
    [[ -f fuzz/fuzz_targets/$target.rs ]] || { echo "fuzz: no target '$target'; there are ${known[*]}" >&2; exit 64; }
done

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: a nightly toolchain is missing; run: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --version 0.13.2 --locked

# Beside the workspace's own: other compiler, other flags.
folder=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
cargo +nightly fuzz build --fuzz-dir fuzz --target-dir "$folder"
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
mkdir -p fuzz/artifacts

# One target, its log beside its corpus; the last lines tell what it did.
run() {
    local target=$1 dictionary=()
    mkdir -p "fuzz/grown/$target" "fuzz/artifacts/$target"
    [[ ! -f fuzz/dictionaries/$target.dict ]] || dictionary=("-dict=fuzz/dictionaries/$target.dict")
    "$folder/$host/release/$target" "${dictionary[@]}" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/grown/$target" "fuzz/corpus/$target" >"fuzz/grown/$target.log" 2>&1
}

passed=0
failed=0
judge() {
    local target=$1 pid=$2 cases
    if wait "$pid"; then
        passed=$((passed + 1))
        cases=$(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/grown/$target.log")
        echo "$target: $cases inputs in $seconds s, nothing found"
    else
        failed=$((failed + 1))
        echo "$target: FAILED"
        tail -n 30 "fuzz/grown/$target.log"
    fi
}

for ((start = 0; start < ${#targets[@]}; start += at_once)); do
    batch=("${targets[@]:start:at_once}")
    pids=()
    for target in "${batch[@]}"; do
        run "$target" &
        pids+=($!)
    done
    for at in "${!batch[@]}"; do
        judge "${batch[at]}" "${pids[at]}"
    done
done
echo "$passed passed, $failed failed"
((failed == 0))
