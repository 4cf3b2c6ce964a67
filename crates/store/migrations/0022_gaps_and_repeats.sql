-- What the ledger is good for beyond telling new from known: gaps that Vigie asks for by itself, measurements that come
-- again under a new epoch, and the status that a device left retained.
SET LOCAL ROLE vigie_owner;

ALTER TABLE ledger ADD COLUMN used_at timestamptz;
ALTER TABLE ledger ADD COLUMN repeats_until timestamptz;
COMMENT ON COLUMN ledger.used_at IS 'When a number of this epoch came last: an epoch is any number, so the highest need not be the present one.';
COMMENT ON COLUMN ledger.repeats_until IS 'Until then readings of this device are compared with those of its other epochs. NULL: it never had another one.';

-- Numbers that were jumped over and may still come. A row lives from the transaction that jumps until they are there,
-- or until Vigie has asked often enough; how many are missing for good is in the ledger itself.
CREATE TABLE ledger_gap (
    device_id text NOT NULL,
    epoch     bigint NOT NULL,
    first     bigint NOT NULL CHECK (first > 0),
    last      bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    tries     int NOT NULL DEFAULT 0,
    next_at   timestamptz,
    PRIMARY KEY (device_id, epoch, first),
    CHECK (last >= first)
);
COMMENT ON COLUMN ledger_gap.last IS 'Numbers between first and last may have come meanwhile: the ledger says which are missing.';
COMMENT ON COLUMN ledger_gap.next_at IS 'When it is looked at again. NULL until the first look, which follows from opened_at and the setting.';
CREATE INDEX ledger_gap_opened ON ledger_gap (opened_at) WHERE next_at IS NULL;
CREATE INDEX ledger_gap_next ON ledger_gap (next_at) WHERE next_at IS NOT NULL;

-- What is missing already.
INSERT INTO ledger_gap (device_id, epoch, first, last, opened_at)
SELECT device_id, epoch, 1, upper(received) - 1, now() FROM ledger
WHERE NOT isempty(received) AND received <> int8multirange(int8range(1, upper(received)));

-- The payload as it was published; empty: taken away again.
CREATE TABLE device_retained_status (
    device_id   text PRIMARY KEY,
    payload     bytea NOT NULL CHECK (length(payload) <= 16384),
    received_at timestamptz NOT NULL
);

-- The epoch that the device uses now.
CREATE FUNCTION current_epoch(device text) RETURNS bigint LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT l.epoch FROM ledger l WHERE l.device_id = current_epoch.device
    ORDER BY l.used_at DESC NULLS LAST, l.epoch DESC LIMIT 1
$$;

CREATE OR REPLACE FUNCTION fill_device_command() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    highest bigint;
BEGIN
    SELECT a.patient_id INTO new.patient_id FROM device_assignment a
    WHERE a.device_id = new.device_id AND a.held @> new.asked_at;
    IF new.kind = 'send_again' THEN
        SELECT l.epoch, upper(l.received) - 1 INTO new.epoch, highest FROM ledger l
        WHERE l.device_id = new.device_id AND l.epoch = current_epoch(new.device_id);
        new.wanted := int8range(new.from_sequence, greatest(new.from_sequence, highest), '[]');
    END IF;
    RETURN new;
END $$;

-- Several gateways look for gaps: whatever they do at once, a device has one request of Vigie's waiting.
CREATE UNIQUE INDEX device_command_one_of_vigie ON device_command (device_id)
    WHERE kind = 'send_again' AND asked_by IS NULL AND state = 'queued';

-- A reading that was refused because nobody held the device left its number free. Somebody does now, so what is
-- missing is asked for once more.
CREATE FUNCTION hope_for_gaps_again() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM ledger_gap g WHERE g.device_id = new.device_id AND g.epoch = current_epoch(new.device_id);
    INSERT INTO ledger_gap (device_id, epoch, first, last, opened_at)
    SELECT l.device_id, l.epoch, 1, upper(l.received) - 1, now() FROM ledger l
    WHERE l.device_id = new.device_id AND l.epoch = current_epoch(new.device_id) AND NOT isempty(l.received)
      AND l.received <> int8multirange(int8range(1, upper(l.received)))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER hope_for_gaps_again AFTER INSERT OR UPDATE OF held ON device_assignment
    FOR EACH ROW EXECUTE FUNCTION hope_for_gaps_again();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_gap', 'device_retained_status'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_all ON %I TO vigie_owner USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY admin_all ON %I TO vigie_admin USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY gateway_all ON %I TO vigie_gateway USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
-- As for the ledger.
CREATE POLICY dashboard_own ON ledger_gap FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM device_assignment a WHERE a.device_id = ledger_gap.device_id));
CREATE POLICY dashboard_technician ON ledger_gap FOR SELECT TO vigie_dashboard USING (is_technician_of(device_id));

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_gap TO vigie_gateway;
GRANT SELECT, INSERT, UPDATE ON device_retained_status TO vigie_gateway;
GRANT SELECT ON ledger_gap TO vigie_dashboard;
GRANT SELECT ON ledger_gap, device_retained_status TO vigie_admin;
GRANT UPDATE (cancelled_by) ON device_command TO vigie_gateway;

RESET ROLE;
