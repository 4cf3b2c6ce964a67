#!/bin/bash
# Stands in for the entry point of the public TimescaleDB image, for the variables that docker-compose.yml uses:
# POSTGRES_USER, POSTGRES_PASSWORD_FILE, POSTGRES_DB, PGDATA, and the scripts in /docker-entrypoint-initdb.d.
set -euo pipefail
PATH=$(ls -d /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1):$PATH
export PATH PGDATA=${PGDATA:-/var/lib/postgresql/data}
export POSTGRES_USER=${POSTGRES_USER:-postgres}
export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}

if [[ ${1:-} == postgres && ! -s $PGDATA/PG_VERSION ]]; then
    # Made beside and moved into place at the end, so that an interrupted start begins again.
    new=$PGDATA/new
    rm -rf "$new"
    initdb --pgdata="$new" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --encoding=UTF8 \
        --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --data-checksums
    echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
    # Until everything is made, nobody gets in from the network.
    pg_ctl --pgdata="$new" --wait --options="${*:2} -c listen_addresses=''" start
    if [[ $POSTGRES_DB != postgres ]]; then
        createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    fi
    for script in /docker-entrypoint-initdb.d/*.sh; do
        [[ ! -e $script ]] || bash "$script"
    done
    pg_ctl --pgdata="$new" --wait --mode=fast stop
    # The version file last: it is what says that the data are whole.
    find "$new" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv --target-directory="$PGDATA" {} +
    mv "$new/PG_VERSION" "$PGDATA/"
    rmdir "$new"
fi
exec "$@"
