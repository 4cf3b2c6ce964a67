#!/bin/bash
# Run once by the database image when the data volume is new: the log-ins of Vigie's processes.
#
# Each process logs in as a user of its own, who may act as one group role and nothing else; what a group role may touch
# is granted by the migrations. A stolen dashboard password cannot store readings, a stolen gateway password cannot read alerts.
set -euo pipefail

# postgres://USER:PASSWORD@db:5432/vigie, as made by deploy/make-secrets.sh.
password_of() {
    sed -E 's|^postgres://[^:]+:([0-9a-f]+)@.*$|\1|' "/run/secrets/$1_database_url"
}

for role in gateway alerts reports dashboard; do
    # Standard input, not arguments: those are visible to every process of the container.
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
CREATE ROLE vigie_$role NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
CREATE ROLE ${role}_login LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '$(password_of "$role")';
GRANT vigie_$role TO ${role}_login;
SQL
done
