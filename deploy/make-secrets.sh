#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml mounts, once: a password per process that talks to the database. What exists
# is kept, since the database was made with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The folder is closed to everybody else. The files in it are not: a container's user has another number than ours, and
# a file mounted into a container keeps its mode.
mkdir -p secrets
chmod 700 secrets

random_hex() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

put() {
    local file=secrets/$1
    if [[ -s $file ]]; then
        return
    fi
    printf '%s' "$2" >"$file.new"
    chmod 444 "$file.new"
    mv "$file.new" "$file"
    echo "made deploy/$file"
}

put database_password "$(random_hex)"
put migrate_database_url "postgres://postgres:$(cat secrets/database_password)@db:5432/vigie"
# The password of the mail server is given by its operator: write it into the file.
if [[ ! -e secrets/smtp_password ]]; then
    : >secrets/smtp_password
    chmod 444 secrets/smtp_password
fi
for role in gateway alerts reports dashboard; do
    put "${role}_database_url" "postgres://${role}_login:$(random_hex)@db:5432/vigie"
done
