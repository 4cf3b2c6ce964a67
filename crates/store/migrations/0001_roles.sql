-- Roles, extensions, schema. Run by an administrator of the database (see README.md here).
--
-- Group roles without log-in; what Vigie's processes log in as is made a member of the one it needs, and
-- every connection does SET ROLE. None may be superuser or BYPASSRLS: start-up refuses otherwise.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vigie_owner', 'vigie_gateway', 'vigie_alerts', 'vigie_dashboard', 'vigie_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of the same cluster was being migrated at the same moment
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE ON SCHEMA public TO vigie_owner');
END $$;

-- Exclusion of overlapping assignments: equality on text inside a gist index.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- TimescaleDB where it is installed and loaded (Apache edition is enough); otherwise native partitions.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'
    THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
    END IF;
END $$;
