-- Integration engines: programs of a territory that read what was committed, through the gateway's fan-out.
SET LOCAL ROLE vigie_owner;

CREATE TABLE integration (
    id           uuid PRIMARY KEY,
    territory_id uuid NOT NULL REFERENCES territory,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash  bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    UNIQUE (territory_id, name)
);
COMMENT ON COLUMN integration.secret_hash IS 'SHA-256. The secret has 256 random bits, so a fast hash is right.';

ALTER TABLE integration ENABLE ROW LEVEL SECURITY;
ALTER TABLE integration FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON integration TO vigie_owner USING (true) WITH CHECK (true);
CREATE POLICY admin_all ON integration TO vigie_admin USING (true) WITH CHECK (true);
CREATE POLICY gateway_checks ON integration FOR SELECT TO vigie_gateway USING (true);
GRANT SELECT ON integration TO vigie_gateway;
GRANT SELECT, INSERT ON integration TO vigie_admin;
GRANT UPDATE (revoked_at) ON integration TO vigie_admin;

-- The gateway writes who read, and nothing else, into the trail.
CREATE POLICY gateway_notes_integrations ON audit FOR INSERT TO vigie_gateway
    WITH CHECK (action LIKE 'integration.%' AND actor_id IS NULL AND patient_id IS NULL);
GRANT INSERT ON audit TO vigie_gateway;

-- Whose news a device's are. The gateway learns a patient's territory and nothing else of the patient.
CREATE POLICY gateway_territory ON patient FOR SELECT TO vigie_gateway USING (true);
GRANT SELECT (id, territory_id) ON patient TO vigie_gateway;

RESET ROLE;
