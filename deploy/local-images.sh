#!/usr/bin/env bash
# Makes the three base images that deploy/Dockerfile and docker-compose.yml name from Debian's packages, without a container
# registry, and gives them the same tags: nothing else has to change. For a closed network, and to try the whole thing
# on a machine that reaches Debian's packages only.
#
#   sudo deploy/local-images.sh [--force]
#
# Needs debootstrap, a running Docker engine, and for the builder this machine's own Rust toolchain (rust-toolchain.toml).
# An image that is there already is kept unless --force is given.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=scripts/setup/packages.sh
source scripts/setup/packages.sh
# shellcheck source=scripts/setup/timescaledb.sh
source scripts/setup/timescaledb.sh

force=${1:-}
[[ $(id -u) == 0 ]] || { echo "local-images: run as root, debootstrap needs it" >&2; exit 1; }
for program in debootstrap docker rustc; do
    command -v "$program" >/dev/null || { echo "local-images: $program is missing" >&2; exit 1; }
done
docker version >/dev/null || exit 1

# The one place where each tag is written.
rust_image=$(sed -nE 's/^ARG RUST_IMAGE=(.*)/\1/p' deploy/Dockerfile)
runtime_image=$(sed -nE 's/^ARG RUNTIME_IMAGE=(.*)/\1/p' deploy/Dockerfile)
database_image=$(sed -nE 's/^ *image: \$\{VIGIE_DATABASE_IMAGE:-([^}]+)\}/\1/p' docker-compose.yml)

mirror=$(debian_mirror)
if [[ -z $mirror ]]; then
    apt_quiet update
    mirror=$(debian_mirror)
fi
work=$(mktemp --directory)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

wanted() {
    [[ $force == --force ]] || ! docker image inspect "$1" >/dev/null 2>&1 || { echo "$1 is there already"; return 1; }
    echo "making $1"
}

# A minimal Debian of one release, made once per run.
debian() {
    local suite=$1
    [[ -d $work/$suite ]] ||
        debootstrap --variant=minbase --include=ca-certificates,tzdata "$suite" "$work/$suite" "$mirror" >"$work/$suite.log" 2>&1 ||
        { tail -n 20 "$work/$suite.log" >&2; return 1; }
    # Authorities that this machine's administrator added (a company's proxy) are needed inside, too.
    if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
        cp /usr/local/share/ca-certificates/*.crt "$work/$suite/usr/local/share/ca-certificates/"
        chroot "$work/$suite" update-ca-certificates >/dev/null 2>&1
    fi
}

# A copy of the release's tree to install into. Mounts end with the process that needed them.
tree_with() {
    local tree=$1 suite=$2
    shift 2
    cp --archive "$work/$suite" "$tree"
    unshare --mount bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o APT::Sandbox::User=root install --yes --no-install-recommends "$@"' "$tree" "$@" >"$tree.log" 2>&1 ||
        { tail -n 20 "$tree.log" >&2; return 1; }
}

import() {
    local tree=$1 image=$2
    shift 2
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/* "$tree"/usr/share/man/*
    tar --directory "$tree" --numeric-owner --create . | docker import "$@" - "$image" >/dev/null
}

if wanted "$runtime_image"; then
    debian bookworm
    cp --archive "$work/bookworm" "$work/runtime"
    import "$work/runtime" "$runtime_image" --change 'CMD ["bash"]'
fi

if wanted "$rust_image"; then
    debian bookworm
    tree_with "$work/rust" bookworm gcc libc6-dev
    mkdir -p "$work/rust/usr/local/rust" "$work/rust/usr/local/cargo"
    sysroot=$(rustc --print sysroot)
    cp --archive "$sysroot/bin" "$sysroot/lib" "$work/rust/usr/local/rust/"
    import "$work/rust" "$rust_image" --change 'ENV CARGO_HOME=/usr/local/cargo' \
        --change 'ENV PATH=/usr/local/cargo/bin:/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
fi

if wanted "$database_image"; then
    debian trixie
    # The image's own start makes the cluster, in a volume; Debian's would only be in the way.
    mkdir -p "$work/trixie/etc/postgresql-common/createcluster.d"
    echo 'create_main_cluster = false' >"$work/trixie/etc/postgresql-common/createcluster.d/image.conf"
    tree_with "$work/database" trixie postgresql-17 postgresql-17-timescaledb
    install --mode=755 deploy/local/database-entrypoint.sh "$work/database/usr/local/bin/docker-entrypoint.sh"
    ln --symbolic --force /usr/lib/postgresql/17/bin/pg_isready "$work/database/usr/local/bin/pg_isready"
    mkdir -p "$work/database/docker-entrypoint-initdb.d" "$work/database/var/lib/postgresql/data"
    # As in the public image: a tmpfs mounted there keeps the mode, and the user may have any number.
    chroot "$work/database" sh -c 'install --directory --owner=postgres --group=postgres --mode=3777 /run/postgresql &&
        install --directory --owner=postgres --group=postgres --mode=700 /var/lib/postgresql/data'
    import "$work/database" "$database_image" --change 'ENV PGDATA=/var/lib/postgresql/data' \
        --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' \
        --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]'
fi
echo "local-images: $runtime_image, $rust_image and $database_image are there."
