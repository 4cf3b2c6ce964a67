# TimescaleDB for the newest PostgreSQL server on the machine. Sourced by setup.sh.
#
# Debian 13 has it as a package. For Debian 12 it is built from Debian 13's source package, which takes under a minute.
# The source comes from the mirror that the machine uses anyway, through an apt configuration of its own: the machine's
# list of sources stays as it is.
# shellcheck shell=bash

timescaledb_suite=trixie

want_timescaledb() {
    [[ -n $(postgresql_bin) ]] || return 0
    timescaledb_is_there && return 0
    if ! is_root; then
        commands+=("scripts/setup.sh timescaledb")
        return 0
    fi
    local package log
    package=postgresql-$(postgresql_major)-timescaledb
    if apt_offers "$package"; then
        say "installing $package"
        without_starting_servers apt_install "$package"
    else
        mkdir -p "$root/target/tools"
        log=$root/target/tools/timescaledb.log
        say "building TimescaleDB for PostgreSQL $(postgresql_major) from Debian's source package (log: $log)"
        if ! (build_timescaledb) >"$log" 2>&1; then
            tail -n 15 "$log" >&2
        fi
    fi
    if ! timescaledb_is_there; then
        echo "setup: TimescaleDB could not be installed. Vigie works without it, with PostgreSQL's own partitions; the" \
            "tests check both ways and need it." >&2
        exit 1
    fi
}

# The same question as Vigie's: the control file, the loader, and the library of the version that the control file names.
timescaledb_is_there() {
    local pg_config share lib version
    pg_config=$(postgresql_bin)/pg_config
    [[ -x $pg_config ]] || return 1
    share=$("$pg_config" --sharedir)
    lib=$("$pg_config" --pkglibdir)
    version=$(sed -nE "s/^default_version *= *'([^']+)'.*/\1/p" "$share/extension/timescaledb.control" 2>/dev/null)
    [[ -n $version && -f $lib/timescaledb.so && -f $lib/timescaledb-$version.so ]]
}

# Runs in a subshell with its output in a log; `set -e` does not hold inside a condition, hence the &&.
build_timescaledb() {
    local major work source pg_config
    major=$(postgresql_major)
    pg_config=$(postgresql_bin)/pg_config
    work=$(mktemp --directory)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    without_starting_servers apt_install "postgresql-server-dev-$major" cmake make gcc libc6-dev libssl-dev libkrb5-dev \
        dpkg-dev &&
        fetch_debian_source "$work" &&
        source=$(find "$work" -mindepth 1 -maxdepth 1 -type d -name 'timescaledb-*') &&
        cmake -S "$source" -B "$work/build" -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DCMAKE_BUILD_TYPE=Release \
            -DPG_CONFIG="$pg_config" &&
        make -C "$work/build" -j "$(nproc)" &&
        make -C "$work/build" install
}

fetch_debian_source() {
    local work=$1 mirror keyring
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(debian_mirror)
    if [[ -z $mirror ]]; then
        echo "no Debian mirror among the machine's package sources"
        return 1
    fi
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    # apt downloads as a user without rights.
    chmod 755 "$work"
    chown -R _apt "$work/lists" "$work/cache" 2>/dev/null || true
    echo "deb-src [signed-by=$keyring] $mirror $timescaledb_suite main" >"$work/sources.list"
    local options=(
        -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
        -o Acquire::Retries=3
    )
    apt-get "${options[@]}" update &&
        (cd "$work" && apt-get "${options[@]}" source --only-source timescaledb)
}

# The mirror of the machine's own release: where its base system comes from.
debian_mirror() {
    local codename
    codename=$(sed -nE 's/^VERSION_CODENAME=(.*)/\1/p' /etc/os-release)
    apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' |
        awk -F'|' -v codename="$codename" '$2 == "Debian" && $3 == codename && $4 == "main" { print $5; exit }'
}
