-- What staff asks of a device, and what became of it.
SET LOCAL ROLE vigie_owner;

CREATE TABLE device_command (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id     text NOT NULL REFERENCES device,
    patient_id    uuid REFERENCES patient,
    kind          text NOT NULL CHECK (kind IN ('set_clock', 'repeat_measure', 'send_again', 'show_message')),
    from_sequence bigint CHECK (from_sequence > 0),
    epoch         bigint,
    wanted        int8range,
    message       text NOT NULL DEFAULT '',
    reason        text NOT NULL,
    asked_by      uuid REFERENCES staff,
    asked_by_name text NOT NULL,
    asked_at      timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL CHECK (expires_at > asked_at),
    state         text NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'delivered', 'done', 'failed', 'expired', 'cancelled')),
    delivered_at  timestamptz,
    ended_at      timestamptz,
    cancelled_by  text,
    CHECK ((kind = 'send_again') = (from_sequence IS NOT NULL)),
    CHECK ((kind = 'show_message') = (message <> ''))
);
COMMENT ON COLUMN device_command.patient_id IS 'Who held the device when it was asked, by trigger. A device that was handed on never gets it.';
COMMENT ON COLUMN device_command.wanted IS 'send_again: the numbers that have to be in the ledger before it is done, by trigger.';
CREATE INDEX device_command_by_device ON device_command (device_id, id DESC);
CREATE INDEX device_command_open ON device_command (asked_at) WHERE state IN ('queued', 'delivered');

-- A row of the outbox says which message a device still has to get; the bytes of a command are written when
-- it is handed out, because the time in set_clock has to be that of the hand-over.
ALTER TABLE device_outbox ADD COLUMN command_id bigint REFERENCES device_command;
CREATE INDEX device_outbox_of_command ON device_outbox (command_id) WHERE command_id IS NOT NULL;

-- Who asks cannot say for whom: the holder and what is wanted come from the record. With the owner's rights,
-- because a technician asks without seeing the patient.
CREATE FUNCTION fill_device_command() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    highest bigint;
BEGIN
    SELECT a.patient_id INTO new.patient_id FROM device_assignment a
    WHERE a.device_id = new.device_id AND a.held @> new.asked_at;
    IF new.kind = 'send_again' THEN
        SELECT l.epoch, upper(l.received) - 1 INTO new.epoch, highest FROM ledger l
        WHERE l.device_id = new.device_id ORDER BY l.epoch DESC LIMIT 1;
        new.wanted := int8range(new.from_sequence, greatest(new.from_sequence, highest), '[]');
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER fill_device_command BEFORE INSERT ON device_command
    FOR EACH ROW EXECUTE FUNCTION fill_device_command();

CREATE FUNCTION post_device_command() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO device_outbox (device_id, channel, payload, created_at, command_id)
    VALUES (new.device_id, 'commands', '', new.asked_at, new.id);
    RETURN NULL;
END $$;
CREATE TRIGGER post_device_command AFTER INSERT ON device_command
    FOR EACH ROW EXECUTE FUNCTION post_device_command();

-- A technician of the team of who holds the device now; of one that nobody holds, any of its territory. With the
-- owner's rights, because a technician does not see the patient.
CREATE FUNCTION is_technician_of(device text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM staff s JOIN device d ON d.territory_id = s.territory_id
        WHERE s.id = acting_staff() AND s.disabled_at IS NULL AND s.role = 'technician' AND d.id = is_technician_of.device
          AND NOT EXISTS (
              SELECT FROM device_assignment a JOIN patient p ON p.id = a.patient_id
              WHERE a.device_id = d.id AND a.held @> now()
                AND p.care_team_id NOT IN (SELECT m.care_team_id FROM care_team_member m WHERE m.staff_id = s.id)))
$$;
-- The care team of who holds the device at this moment, and its technicians. With the caller's rights: row-level
-- security of the assignments decides.
CREATE FUNCTION sees_device(device text, at timestamptz) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT is_technician_of(sees_device.device)
        OR EXISTS (SELECT FROM device_assignment a WHERE a.device_id = sees_device.device AND a.held @> sees_device.at)
$$;

ALTER TABLE device_command ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_command FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON device_command TO vigie_owner USING (true) WITH CHECK (true);
CREATE POLICY admin_all ON device_command TO vigie_admin USING (true) WITH CHECK (true);
CREATE POLICY gateway_all ON device_command TO vigie_gateway USING (true) WITH CHECK (true);
CREATE POLICY dashboard_own ON device_command TO vigie_dashboard
    USING (EXISTS (SELECT FROM patient p WHERE p.id = patient_id))
    WITH CHECK (EXISTS (SELECT FROM patient p WHERE p.id = patient_id));
-- A message to a patient is not for technicians.
CREATE POLICY dashboard_technician ON device_command TO vigie_dashboard
    USING (kind <> 'show_message' AND is_technician_of(device_id))
    WITH CHECK (kind <> 'show_message' AND is_technician_of(device_id));
CREATE POLICY dashboard_technician ON device_status FOR SELECT TO vigie_dashboard USING (is_technician_of(device_id));
CREATE POLICY dashboard_technician ON ledger FOR SELECT TO vigie_dashboard USING (is_technician_of(device_id));

GRANT SELECT, INSERT ON device_command TO vigie_gateway, vigie_dashboard, vigie_admin;
GRANT UPDATE (state, delivered_at, ended_at) ON device_command TO vigie_gateway, vigie_admin;
GRANT UPDATE (state, ended_at, cancelled_by) ON device_command TO vigie_dashboard;

RESET ROLE;
