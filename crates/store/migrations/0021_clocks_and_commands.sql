-- What is known of devices' clocks, when a reading was stored, and an end for every command.
SET LOCAL ROLE vigie_owner;

-- The fourth time of a reading (docs/clock.md). Rows of before have none: nobody kept it.
ALTER TABLE reading ADD COLUMN stored_at timestamptz;
ALTER TABLE reading ALTER COLUMN stored_at SET DEFAULT statement_timestamp();
COMMENT ON COLUMN reading.received_at IS 'The gateway''s clock when the message had arrived.';
COMMENT ON COLUMN reading.stored_at IS 'The database''s clock when the row was written, just before its commit.';

-- One row per device whose clock was proven wrong; the others have none.
CREATE TABLE device_clock (
    device_id text PRIMARY KEY REFERENCES device,
    ahead_ms  bigint NOT NULL,
    noted_at  timestamptz NOT NULL,
    asked_at  timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN device_clock.ahead_ms IS 'By how much the device''s clock is proven wrong; above zero it is ahead.';
COMMENT ON COLUMN device_clock.noted_at IS 'When the last message came that proved it; noted at most once a minute.';
COMMENT ON COLUMN device_clock.asked_at IS 'When Vigie last asked this device to set its clock.';

ALTER TABLE device_clock ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_clock FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON device_clock TO vigie_owner USING (true) WITH CHECK (true);
CREATE POLICY admin_all ON device_clock TO vigie_admin USING (true) WITH CHECK (true);
CREATE POLICY gateway_all ON device_clock TO vigie_gateway USING (true) WITH CHECK (true);
CREATE POLICY dashboard_own ON device_clock FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM device_assignment a WHERE a.device_id = device_clock.device_id));
CREATE POLICY dashboard_technician ON device_clock FOR SELECT TO vigie_dashboard USING (is_technician_of(device_id));
GRANT SELECT, INSERT, UPDATE ON device_clock TO vigie_gateway, vigie_admin;
GRANT SELECT ON device_clock TO vigie_dashboard;

-- A command that has ended is out of this index. Before, those whose delivery is all that can be known stayed in it for ever.
DROP INDEX device_command_open;
CREATE INDEX device_command_open ON device_command (asked_at) WHERE ended_at IS NULL;

RESET ROLE;
