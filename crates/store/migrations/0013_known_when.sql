-- So that what was known at a moment can be told later: when evidence and plans were written, and what a graver entry
-- took the place of. Rows from before have no such time; what they say counts as known since their own time.
SET LOCAL ROLE vigie_owner;

ALTER TABLE care_plan ADD COLUMN recorded_at timestamptz;
ALTER TABLE alert_evidence ADD COLUMN recorded_at timestamptz;

-- Rows come from the trigger alone, so the alert is there; no foreign key, which would stop what empties these tables.
CREATE TABLE alert_evidence_replaced (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id    uuid NOT NULL,
    patient_id  uuid NOT NULL,
    breach      text NOT NULL,
    happened_at timestamptz NOT NULL,
    evidence    jsonb NOT NULL,
    recorded_at timestamptz,
    replaced_at timestamptz NOT NULL
);
COMMENT ON TABLE alert_evidence_replaced IS 'What a breach said before a late reading showed that it was graver.';
CREATE INDEX alert_evidence_replaced_by_alert ON alert_evidence_replaced (alert_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON alert_evidence_replaced FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_replaced_evidence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alert_evidence_replaced (alert_id, patient_id, breach, happened_at, evidence, recorded_at, replaced_at)
    VALUES (OLD.alert_id, OLD.patient_id, OLD.breach, OLD.happened_at, OLD.evidence, OLD.recorded_at,
            coalesce(NEW.recorded_at, clock_timestamp()));
    RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE ON alert_evidence FOR EACH ROW WHEN (OLD.evidence IS DISTINCT FROM NEW.evidence)
    EXECUTE FUNCTION keep_replaced_evidence();

ALTER TABLE alert_evidence_replaced ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_evidence_replaced FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON alert_evidence_replaced TO vigie_owner USING (true) WITH CHECK (true);
CREATE POLICY admin_all ON alert_evidence_replaced TO vigie_admin USING (true) WITH CHECK (true);
CREATE POLICY alerts_all ON alert_evidence_replaced TO vigie_alerts USING (true) WITH CHECK (true);
CREATE POLICY reports_all ON alert_evidence_replaced FOR SELECT TO vigie_reports USING (true);
CREATE POLICY dashboard_own ON alert_evidence_replaced FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM patient p WHERE p.id = patient_id));
GRANT SELECT ON alert_evidence_replaced TO vigie_reports, vigie_dashboard;
GRANT INSERT ON alert_evidence_replaced TO vigie_alerts;
-- The trigger runs as whoever updates.
GRANT SELECT, INSERT ON alert_evidence_replaced TO vigie_admin;

-- A report says what could not be taken, and which numbers never came. Quarantined bytes are for technicians, so this
-- tells numbers and codes only.
CREATE FUNCTION quarantine_counts(of_device text, from_at timestamptz, to_at timestamptz, known_at timestamptz)
RETURNS TABLE (code text, count bigint, last_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT q.code, count(*), max(q.received_at) FROM quarantine q
    WHERE q.device_id = of_device AND q.received_at >= from_at AND q.received_at < to_at
      AND q.received_at <= known_at
    GROUP BY q.code
$$;
CREATE FUNCTION quarantined_numbers(of_device text, of_epoch bigint, first bigint, last bigint, known_at timestamptz)
RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT q.sequence FROM quarantine q
    WHERE q.device_id = of_device AND q.epoch = of_epoch AND q.sequence BETWEEN first AND last AND q.received_at <= known_at
$$;
REVOKE EXECUTE ON FUNCTION quarantine_counts, quarantined_numbers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quarantine_counts, quarantined_numbers TO vigie_reports, vigie_dashboard;

RESET ROLE;
