-- Who may see what. Every table that says something about a patient has row-level security, enabled and
-- forced (a test walks the catalogue). Nothing is granted to PUBLIC.
SET LOCAL ROLE vigie_owner;

-- The acting member of staff is set for one transaction only (set_config(..., true)). Without it the cast
-- of NULL or '' fails or matches nothing: closed, not open.
CREATE FUNCTION acting_staff() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT current_setting('vigie.staff_id')::uuid
$$;
CREATE FUNCTION acting_role() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT role FROM staff WHERE id = acting_staff() AND disabled_at IS NULL
$$;
-- Technicians and administrators look after devices and accounts, not after patients.
CREATE FUNCTION visible_care_teams() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(m.care_team_id), '{}')
    FROM care_team_member m
    JOIN staff s ON s.id = m.staff_id
    WHERE s.id = acting_staff() AND s.disabled_at IS NULL AND s.role IN ('nurse', 'physician', 'coordinator')
$$;

DO $$
DECLARE
    name text;
    own_rows text := 'EXISTS (SELECT FROM patient p WHERE p.id = patient_id)';
BEGIN
    FOREACH name IN ARRAY ARRAY['patient', 'care_plan', 'rule_version', 'pause', 'device_assignment', 'device_status', 'reading',
        'ledger', 'quarantine', 'device_outbox', 'judgement_queue', 'patient_watch', 'alert', 'alert_evidence',
        'alert_event', 'stream_event', 'audit'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        -- Migrations and administration (enrolment, retention) by their own roles.
        EXECUTE format('CREATE POLICY owner_all ON %I TO vigie_owner USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY admin_all ON %I TO vigie_admin USING (true) WITH CHECK (true)', name);
    END LOOP;

    -- The gateway and the alert workers serve every patient; the grants below say which tables.
    FOREACH name IN ARRAY ARRAY['device_assignment', 'device_status', 'reading', 'ledger', 'quarantine', 'device_outbox', 'judgement_queue'] LOOP
        EXECUTE format('CREATE POLICY gateway_all ON %I TO vigie_gateway USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['patient', 'care_plan', 'rule_version', 'pause', 'device_assignment', 'device_status', 'reading',
        'judgement_queue', 'patient_watch', 'alert', 'alert_evidence', 'alert_event', 'stream_event'] LOOP
        EXECUTE format('CREATE POLICY alerts_all ON %I TO vigie_alerts USING (true) WITH CHECK (true)', name);
    END LOOP;

    -- The dashboard acts for one member of staff at a time.
    FOREACH name IN ARRAY ARRAY['care_plan', 'pause', 'device_assignment', 'reading', 'patient_watch', 'alert', 'alert_evidence',
        'alert_event', 'stream_event'] LOOP
        EXECUTE format('CREATE POLICY dashboard_own ON %I TO vigie_dashboard USING (%s) WITH CHECK (%s)', name, own_rows, own_rows);
    END LOOP;
END $$;

CREATE POLICY dashboard_own ON patient TO vigie_dashboard
    USING (care_team_id = ANY ((SELECT visible_care_teams())::uuid[]));
CREATE POLICY dashboard_reads ON rule_version FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM patient p WHERE p.id = patient_id));
-- A threshold is a prescription.
CREATE POLICY dashboard_prescribes ON rule_version FOR INSERT TO vigie_dashboard
    WITH CHECK (EXISTS (SELECT FROM patient p WHERE p.id = patient_id) AND (SELECT acting_role()) = 'physician');
CREATE POLICY dashboard_queues ON judgement_queue FOR INSERT TO vigie_dashboard
    WITH CHECK (EXISTS (SELECT FROM patient p WHERE p.id = patient_id));
CREATE POLICY dashboard_own ON device_status FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM device_assignment a WHERE a.device_id = device_status.device_id));
CREATE POLICY dashboard_own ON ledger FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM device_assignment a WHERE a.device_id = ledger.device_id));
-- Quarantined bytes are for the technicians of the device's own territory.
CREATE POLICY dashboard_technician ON quarantine FOR SELECT TO vigie_dashboard
    USING ((SELECT acting_role()) IN ('technician', 'administrator')
           AND EXISTS (SELECT FROM device d JOIN staff s ON s.territory_id = d.territory_id
                       WHERE d.id = quarantine.device_id AND s.id = (SELECT acting_staff())));
CREATE POLICY dashboard_writes ON audit FOR INSERT TO vigie_dashboard WITH CHECK (true);
-- The trail of a patient for who may see the patient; one's own acts for everybody.
CREATE POLICY dashboard_reads ON audit FOR SELECT TO vigie_dashboard
    USING (actor_id = (SELECT acting_staff()) OR EXISTS (SELECT FROM patient p WHERE p.id = patient_id));


GRANT SELECT ON device, device_assignment TO vigie_gateway;
GRANT SELECT, INSERT ON reading TO vigie_gateway;
GRANT SELECT, INSERT, UPDATE ON ledger, device_status, service_beat TO vigie_gateway;
GRANT SELECT, INSERT ON quarantine TO vigie_gateway;
GRANT SELECT, INSERT, DELETE ON device_outbox TO vigie_gateway;
GRANT INSERT ON judgement_queue TO vigie_gateway;

GRANT SELECT ON patient, care_plan, rule_version, pause, reading, device_assignment, device_status TO vigie_alerts;
GRANT SELECT, DELETE ON judgement_queue TO vigie_alerts;
GRANT SELECT, UPDATE ON patient_watch, stream_position TO vigie_alerts;
GRANT SELECT, INSERT, UPDATE ON alert, service_beat TO vigie_alerts;
GRANT SELECT, INSERT ON alert_event, stream_event TO vigie_alerts;
GRANT SELECT, INSERT, UPDATE ON alert_evidence TO vigie_alerts;
GRANT DELETE ON stream_event TO vigie_alerts;
GRANT EXECUTE ON FUNCTION ensure_reading_partitions TO vigie_gateway, vigie_alerts;

GRANT SELECT ON territory, care_team, care_team_member, staff, device TO vigie_dashboard;
GRANT SELECT, INSERT, UPDATE, DELETE ON staff_session TO vigie_dashboard;
GRANT SELECT, INSERT, DELETE ON login_failure TO vigie_dashboard;
GRANT SELECT ON patient, care_plan, device_assignment, device_status, reading, ledger, quarantine, patient_watch, alert,
    alert_evidence, stream_event, service_beat TO vigie_dashboard;
GRANT SELECT, INSERT ON rule_version, pause, alert_event, audit, stream_event TO vigie_dashboard;
GRANT INSERT ON judgement_queue TO vigie_dashboard;
GRANT UPDATE ON alert TO vigie_dashboard;
GRANT SELECT, UPDATE ON stream_position TO vigie_dashboard;

GRANT SELECT, INSERT, UPDATE ON territory, care_team, care_team_member, staff, staff_session, patient, patient_watch, care_plan,
    rule_version, pause, device, device_assignment, device_status, reading, ledger, quarantine, device_outbox, judgement_queue,
    alert, alert_evidence, alert_event, stream_event, stream_position, audit, service_beat TO vigie_admin;
GRANT DELETE ON staff_session, care_team_member, device_outbox TO vigie_admin;

RESET ROLE;
