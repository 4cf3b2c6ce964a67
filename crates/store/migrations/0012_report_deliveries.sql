-- What became of each report: sent to whom, with what answer, and opened by whom.
SET LOCAL ROLE vigie_owner;

CREATE TABLE report_delivery (
    id                 uuid PRIMARY KEY,
    report_id          uuid,
    patient_id         uuid,
    practice_report_id uuid REFERENCES practice_report,
    practice_id        uuid NOT NULL REFERENCES practice,
    address            text NOT NULL CHECK (length(address) BETWEEN 3 AND 254),
    channel            text NOT NULL CHECK (channel IN ('email', 'mssante')),
    language           text NOT NULL CHECK (language IN ('fr', 'en')),
    round              int NOT NULL DEFAULT 1 CHECK (round >= 1),
    message_id         text NOT NULL UNIQUE,
    fallback_of        uuid UNIQUE REFERENCES report_delivery,
    state              text NOT NULL DEFAULT 'waiting'
                       CHECK (state IN ('waiting', 'sending', 'deferred', 'accepted', 'refused', 'failed')),
    attempts           int NOT NULL DEFAULT 0,
    next_attempt_at    timestamptz NOT NULL,
    lease_until        timestamptz,
    accepted_at        timestamptz,
    last_reply         text,
    created_at         timestamptz NOT NULL,
    UNIQUE (report_id, practice_id, address, round),
    UNIQUE (practice_report_id, practice_id, address, round),
    FOREIGN KEY (report_id, patient_id) REFERENCES report (id, patient_id),
    CHECK ((report_id IS NULL) = (patient_id IS NULL) AND (report_id IS NULL) <> (practice_report_id IS NULL)),
    CHECK ((state = 'accepted') = (accepted_at IS NOT NULL)),
    CHECK (fallback_of <> id)
);
COMMENT ON COLUMN report_delivery.round IS 'Greater than 1 when somebody asked to send it again.';
COMMENT ON COLUMN report_delivery.next_attempt_at IS 'While sending: the end of the lease, so that one index finds all that there is to do.';
CREATE INDEX report_delivery_pending ON report_delivery (next_attempt_at, id) WHERE state IN ('waiting', 'sending', 'deferred');
CREATE INDEX report_delivery_not_accepted ON report_delivery (created_at, id) WHERE state <> 'accepted';
CREATE INDEX report_delivery_by_report ON report_delivery (coalesce(report_id, practice_report_id), practice_id);
CREATE INDEX report_delivery_accepted ON report_delivery (accepted_at) WHERE state = 'accepted';
CREATE INDEX report_delivery_by_patient ON report_delivery (patient_id, created_at);
-- Asked for twice, it is on its way once.
CREATE UNIQUE INDEX report_delivery_one_pending ON report_delivery (coalesce(report_id, practice_report_id), practice_id, address)
    WHERE state IN ('waiting', 'sending', 'deferred');

CREATE TABLE report_delivery_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES report_delivery,
    at          timestamptz NOT NULL,
    kind        text NOT NULL
                CHECK (kind IN ('created', 'attempt', 'accepted', 'deferred', 'unknown', 'refused', 'failed', 'fallback', 'sent_again')),
    actor_id    uuid REFERENCES staff,
    actor       text NOT NULL,
    detail      text NOT NULL DEFAULT ''
);
CREATE INDEX report_delivery_event_by_delivery ON report_delivery_event (delivery_id, id);

CREATE TABLE report_opening (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id          uuid,
    patient_id         uuid,
    practice_report_id uuid REFERENCES practice_report,
    at                 timestamptz NOT NULL,
    staff_id           uuid NOT NULL REFERENCES staff,
    staff_name         text NOT NULL,
    format             text NOT NULL CHECK (format IN ('pdf', 'html', 'json')),
    language           text NOT NULL CHECK (language IN ('fr', 'en')),
    FOREIGN KEY (report_id, patient_id) REFERENCES report (id, patient_id),
    CHECK ((report_id IS NULL) = (patient_id IS NULL) AND (report_id IS NULL) <> (practice_report_id IS NULL))
);
CREATE INDEX report_opening_by_patient ON report_opening (patient_id, at);
CREATE INDEX report_opening_by_report ON report_opening (report_id, id);

-- The same delivery has the same id, and so the same Message-ID, whoever writes it.
CREATE FUNCTION delivery_id(of_report uuid, to_practice uuid, to_address text, in_round int) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT encode(substring(sha256(convert_to(
        concat_ws('/', of_report, to_practice, to_address, in_round), 'UTF8')) FROM 1 FOR 16), 'hex')::uuid
$$;
REVOKE EXECUTE ON FUNCTION delivery_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delivery_id TO vigie_reports, vigie_dashboard, vigie_admin;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON report_delivery_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON report_opening FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays BEFORE DELETE ON report_delivery FOR EACH ROW EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    name text;
    own_rows text := '(patient_id IS NOT NULL AND EXISTS (SELECT FROM patient p WHERE p.id = patient_id)
        OR practice_report_id IS NOT NULL AND EXISTS (SELECT FROM practice_report r WHERE r.id = practice_report_id))';
    treats text := '(SELECT acting_role()) IN (''nurse'', ''physician'', ''coordinator'')';
BEGIN
    FOREACH name IN ARRAY ARRAY['report_delivery', 'report_delivery_event', 'report_opening'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_all ON %I TO vigie_owner USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY admin_all ON %I TO vigie_admin USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY reports_all ON %I TO vigie_reports USING (true) WITH CHECK (true)', name);
    END LOOP;
    EXECUTE format('CREATE POLICY dashboard_own ON report_delivery FOR SELECT TO vigie_dashboard USING %s', own_rows);
    -- Sending again adds a row; nobody at a page changes what became of one.
    EXECUTE format('CREATE POLICY dashboard_sends ON report_delivery FOR INSERT TO vigie_dashboard
        WITH CHECK (state = ''waiting'' AND attempts = 0 AND round > 1 AND fallback_of IS NULL AND %s AND %s)', treats, own_rows);
    EXECUTE 'CREATE POLICY dashboard_own ON report_delivery_event FOR SELECT TO vigie_dashboard
        USING (EXISTS (SELECT FROM report_delivery d WHERE d.id = delivery_id))';
    EXECUTE format('CREATE POLICY dashboard_notes ON report_delivery_event FOR INSERT TO vigie_dashboard
        WITH CHECK (kind = ''sent_again'' AND actor_id = (SELECT acting_staff()) AND %s
                    AND EXISTS (SELECT FROM report_delivery d WHERE d.id = delivery_id))', treats);
    EXECUTE format('CREATE POLICY dashboard_own ON report_opening FOR SELECT TO vigie_dashboard USING %s', own_rows);
    EXECUTE format('CREATE POLICY dashboard_opens ON report_opening FOR INSERT TO vigie_dashboard
        WITH CHECK (staff_id = (SELECT acting_staff()) AND %s)', own_rows);
END $$;

GRANT SELECT, INSERT ON report_delivery, report_delivery_event TO vigie_reports, vigie_dashboard, vigie_admin;
GRANT UPDATE (state, attempts, next_attempt_at, lease_until, accepted_at, last_reply) ON report_delivery TO vigie_reports;
GRANT SELECT ON report_opening TO vigie_reports, vigie_admin;
GRANT SELECT, INSERT ON report_opening TO vigie_dashboard;

RESET ROLE;
