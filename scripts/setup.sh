#!/usr/bin/env bash
# Installs what is missing on Debian 12 and 13. Safe to repeat; prints one line when everything is there.
#
#   scripts/setup.sh demo          what `make demo` needs: a PostgreSQL server, a C compiler, the Rust toolchain
#   scripts/setup.sh test          the same, and what the tests need: MQTT clients nobody here wrote, a browser,
#                                  PDF tools and checkers, an oracle for glucose, TimescaleDB (the suite runs with and without it)
#   scripts/setup.sh timescaledb   TimescaleDB alone, for a demo that uses it
#
# Only root installs. Anybody else gets the exact commands to run, and exit status 1, and only if something is missing.
set -euo pipefail

goal=${1:-demo}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$root/scripts/setup
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# shellcheck source=scripts/setup/packages.sh
source "$here/packages.sh"
# shellcheck source=scripts/setup/rust.sh
source "$here/rust.sh"
# shellcheck source=scripts/setup/python.sh
source "$here/python.sh"
# shellcheck source=scripts/setup/timescaledb.sh
source "$here/timescaledb.sh"

# What has to be run by root, as text for everybody else.
commands=()

case $goal in
    demo)
        want_postgresql
        want_program cc gcc libc6-dev
        ;;
    test)
        want_postgresql
        want_program cc gcc libc6-dev
        want_program mosquitto mosquitto
        want_program mosquitto_pub mosquitto-clients
        want_program chromium chromium
        want_program chromedriver chromium-driver
        want_program pdftotext poppler-utils
        want_program qpdf qpdf
        want_program openssl openssl
        want_python_venv
        ;;
    timescaledb)
        want_postgresql
        ;;
    -h | --help | help)
        sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *)
        echo "setup: unknown goal '$goal'; one of demo, test, timescaledb" >&2
        exit 64
        ;;
esac

install_missing
case $goal in
    demo) want_rust ;;
    test) want_rust && want_paho && want_paho_suite && want_aiosmtpd && want_outloud && want_iglu && want_timescaledb ;;
    timescaledb) want_timescaledb ;;
esac

if ((${#commands[@]} > 0)); then
    {
        echo "setup: something is missing. Run as root:"
        printf '    %s\n' "${commands[@]}"
        echo "and then this again."
    } >&2
    exit 1
fi
echo "setup: everything for '$goal' is there."
