# Debian packages: what is missing, and how it is installed without starting servers on the machine. Sourced by setup.sh.
# shellcheck shell=bash

missing=()

is_root() { [[ $(id -u) == 0 ]]; }

say() { echo "setup: $*"; }

# The program, however it was installed, is enough; the packages are how to get it.
want_program() {
    local program=$1
    shift
    command -v "$program" >/dev/null || missing+=("$@")
}

# Prints the folder of programs of the newest PostgreSQL server, the one that Vigie takes too; nothing when there is none.
postgresql_bin() {
    local bin
    if [[ -n ${VIGIE_PG_BIN:-} ]]; then
        echo "$VIGIE_PG_BIN"
        return
    fi
    for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort --version-sort --reverse); do
        if [[ -x $bin/postgres && -x $bin/initdb ]]; then
            echo "$bin"
            return
        fi
    done
    bin=$(command -v initdb) && dirname "$bin"
    return 0
}

postgresql_major() {
    "$(postgresql_bin)/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'
}

want_postgresql() {
    [[ -n $(postgresql_bin) ]] || missing+=(postgresql)
}

# Installs ${missing[@]} when root, else remembers the command.
install_missing() {
    ((${#missing[@]} > 0)) || return 0
    if ! is_root; then
        commands+=("apt-get install --no-install-recommends ${missing[*]}")
        missing=()
        return 0
    fi
    if ! command -v apt-get >/dev/null; then
        echo "setup: this machine has no apt-get; install the equivalents of: ${missing[*]}" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    without_starting_servers apt_install "${missing[@]}"
    missing=()
}

apt_quiet() {
    apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq "$@"
}

# The package lists are fetched only when they do not know a package or point to a version that is gone.
apt_install() {
    local log
    log=$(mktemp)
    if ! apt_known "$@" || ! apt_quiet install --yes --no-install-recommends "$@" >"$log" 2>&1; then
        apt_quiet update >"$log" 2>&1 || say "not every package list could be fetched; trying with those that could"
        if ! apt_quiet install --yes --no-install-recommends "$@" >"$log" 2>&1; then
            cat "$log" >&2
            rm -f "$log"
            echo "setup: apt-get could not install $*" >&2
            return 1
        fi
    fi
    rm -f "$log"
}

# A package that others only mention has no candidate.
apt_known() {
    local package
    for package in "$@"; do
        LC_ALL=C apt-cache policy "$package" 2>/dev/null | grep -qE '^ +Candidate: [^(]' || return 1
    done
}

# The same, after fetching the lists when they do not know it and we may.
apt_offers() {
    apt_known "$@" && return 0
    is_root || return 1
    apt_quiet update >/dev/null 2>&1 || true
    apt_known "$@"
}

# Vigie starts what it needs by itself, on ports of its own. A server that Debian starts on installation would only take
# memory and the default ports, so while packages are installed no service may start, and PostgreSQL makes no cluster.
# What is on the machine already is left alone.
without_starting_servers() (
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.d/vigie-setup.conf
    mosquitto_was_there=$(command -v mosquitto || true)
    made=()
    trap '((${#made[@]} == 0)) || rm -f "${made[@]}"' EXIT
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        made+=("$policy")
        chmod 755 "$policy"
    fi
    if [[ -z $(postgresql_bin) ]]; then
        mkdir -p "$(dirname "$cluster")"
        echo 'create_main_cluster = false' >"$cluster"
        made+=("$cluster")
    fi
    "$@"
    if [[ -z $mosquitto_was_there && -d /run/systemd/system ]] && command -v mosquitto >/dev/null; then
        systemctl disable --quiet mosquitto.service || say "mosquitto.service may start with the machine and take port 1883"
    fi
)
