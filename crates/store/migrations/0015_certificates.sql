-- Certificates of devices, and the claims by which a device gets its first one for a key that it made itself.
SET LOCAL ROLE vigie_owner;

CREATE TABLE device_certificate (
    fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
    serial      text NOT NULL UNIQUE CHECK (serial ~ '^[0-9a-f]{2,40}$'),
    device_id   text NOT NULL REFERENCES device,
    origin      text NOT NULL CHECK (origin IN ('enrolment', 'claim', 'renewal')),
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    CHECK (expires_at > issued_at)
);
COMMENT ON COLUMN device_certificate.fingerprint IS 'SHA-256 of the certificate in DER.';
CREATE INDEX device_certificate_by_device ON device_certificate (device_id, expires_at);
-- The list of revoked certificates, and what the gateway looks for every few seconds.
CREATE INDEX device_certificate_revoked ON device_certificate (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX device_revoked ON device (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE device_claim (
    claim_hash    bytea PRIMARY KEY CHECK (length(claim_hash) = 32),
    device_id     text NOT NULL REFERENCES device,
    serial_number text CHECK (length(serial_number) BETWEEN 1 AND 64),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz,
    CHECK (expires_at > created_at)
);
COMMENT ON COLUMN device_claim.claim_hash IS 'SHA-256. The claim has 256 random bits, so a fast hash is right.';
COMMENT ON COLUMN device_claim.serial_number IS 'The maker''s number on the device; whoever uses the claim has to know it.';
CREATE INDEX device_claim_by_device ON device_claim (device_id);

-- What was issued, and that it was revoked, stays.
CREATE FUNCTION refuse_unrevoking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'what was revoked stays revoked' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stays_revoked BEFORE UPDATE ON device_certificate FOR EACH ROW EXECUTE FUNCTION refuse_unrevoking();
CREATE TRIGGER stays BEFORE DELETE ON device_certificate FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION refuse_second_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.used_at IS NOT NULL AND NEW.used_at IS DISTINCT FROM OLD.used_at THEN
        RAISE EXCEPTION 'a claim is used once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER used_once BEFORE UPDATE ON device_claim FOR EACH ROW EXECUTE FUNCTION refuse_second_use();
CREATE TRIGGER stays BEFORE DELETE ON device_claim FOR EACH ROW EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['device_certificate', 'device_claim'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_all ON %I TO vigie_owner USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY admin_all ON %I TO vigie_admin USING (true) WITH CHECK (true)', name);
        -- Devices ask the dashboard for certificates without a session: a claim or a certificate is what they show.
        EXECUTE format('CREATE POLICY dashboard_issues ON %I TO vigie_dashboard USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
CREATE POLICY gateway_reads ON device_certificate FOR SELECT TO vigie_gateway USING (true);

GRANT SELECT ON device_certificate TO vigie_gateway;
GRANT SELECT, INSERT ON device_certificate TO vigie_dashboard;
GRANT SELECT, UPDATE (used_at) ON device_claim TO vigie_dashboard;
GRANT SELECT, INSERT, UPDATE ON device_certificate TO vigie_admin;
GRANT SELECT, INSERT ON device_claim TO vigie_admin;

RESET ROLE;
