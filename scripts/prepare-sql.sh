#!/usr/bin/env bash
# Writes anew what the SQL macros learnt from the database (crates/store/.sqlx), after a statement or a migration
# changed. Starts a private PostgreSQL for it, so nothing needs to be configured.
#
#   scripts/prepare-sql.sh           writes
#   scripts/prepare-sql.sh --check   writes nothing; exit status 1 when what is committed is not what the database says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
folder=$(mktemp -d)
chmod 0711 "$folder"
as=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
port=$((20000 + RANDOM % 10000))
"${as[@]}" "$bin/initdb" --pgdata="$folder/data" --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
"${as[@]}" "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off >"$folder/log" 2>&1 &
server=$!
trap 'kill -INT "$server"; wait "$server" || true; rm -rf "$folder"' EXIT
until "$bin/pg_isready" --quiet --host=127.0.0.1 --port="$port"; do
    kill -0 "$server" || { cat "$folder/log" >&2; exit 1; }
done

export DATABASE_URL="postgres://postgres@127.0.0.1:$port/vigie"
psql="$bin/psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=127.0.0.1 --port=$port --username=postgres"
$psql --command='CREATE DATABASE vigie'
for file in crates/store/migrations/*.sql; do
    $psql --dbname=vigie --single-transaction --file="$file" 2>&1 | grep -v NOTICE || true
done

mkdir "$folder/answers"
chmod 0700 "$folder/answers"
# The macros run again only when the crate is compiled again.
touch crates/store/src/lib.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$folder/answers" cargo check --locked --package vigie-store
if [ "${1:-}" = --check ]; then
    diff -rq crates/store/.sqlx "$folder/answers" || { echo "run scripts/prepare-sql.sh and commit crates/store/.sqlx" >&2; exit 1; }
    exit 0
fi
rm -rf crates/store/.sqlx
mkdir crates/store/.sqlx
cp "$folder"/answers/*.json crates/store/.sqlx/
echo "$(ls crates/store/.sqlx | wc -l) statements described in crates/store/.sqlx"
