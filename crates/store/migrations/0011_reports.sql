-- Weekly reports: what is to be made, what was made, and which practices it is for.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigie_reports') THEN
        BEGIN
            CREATE ROLE vigie_reports NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of the same cluster was being migrated at the same moment
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'vigie_reports', 'MEMBER') THEN
        EXECUTE format('GRANT vigie_reports TO %I', current_user);
    END IF;
END $$;
SET LOCAL ROLE vigie_owner;

CREATE TABLE practice (
    id               uuid PRIMARY KEY,
    territory_id     uuid NOT NULL REFERENCES territory,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    address          text NOT NULL CHECK (length(address) BETWEEN 3 AND 254),
    channel          text NOT NULL CHECK (channel IN ('email', 'mssante')),
    locale           text NOT NULL CHECK (locale IN ('fr', 'en')),
    fallback_address text CHECK (length(fallback_address) BETWEEN 3 AND 254),
    created_at       timestamptz NOT NULL,
    UNIQUE (territory_id, name)
);
COMMENT ON TABLE practice IS 'A medical practice that receives the reports of the patients that it follows.';
COMMENT ON COLUMN practice.fallback_address IS 'Where a report goes, by the same channel, when the address refuses it.';

CREATE TABLE practice_patient (
    practice_id uuid NOT NULL REFERENCES practice,
    patient_id  uuid NOT NULL REFERENCES patient,
    since       timestamptz NOT NULL,
    until       timestamptz CHECK (until > since),
    PRIMARY KEY (practice_id, patient_id, since)
);
CREATE UNIQUE INDEX practice_patient_open ON practice_patient (practice_id, patient_id) WHERE until IS NULL;
CREATE INDEX practice_patient_by_patient ON practice_patient (patient_id);

CREATE TABLE report_job (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('patient', 'practice')),
    patient_id      uuid REFERENCES patient,
    practice_id     uuid REFERENCES practice,
    week            text NOT NULL CHECK (week ~ '^[0-9]{4}-W[0-9]{2}$'),
    from_at         timestamptz NOT NULL,
    to_at           timestamptz NOT NULL CHECK (to_at > from_at),
    due_at          timestamptz NOT NULL,
    known_at        timestamptz NOT NULL,
    version         int NOT NULL DEFAULT 1 CHECK (version >= 1),
    requested_by    uuid REFERENCES staff,
    requester       text,
    reason          text CHECK (length(reason) BETWEEN 1 AND 1000),
    state           text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done', 'failed')),
    attempts        int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    last_error      text,
    done_at         timestamptz,
    UNIQUE (patient_id, week, version),
    UNIQUE (practice_id, week),
    CHECK ((kind = 'patient') = (patient_id IS NOT NULL) AND (kind = 'practice') = (practice_id IS NOT NULL)),
    CHECK ((state = 'done') = (done_at IS NOT NULL)),
    -- A report of a week that is not over would take the place of the one that is due.
    CONSTRAINT report_job_week_is_over CHECK (known_at >= to_at)
);
COMMENT ON COLUMN report_job.known_at IS 'What the report may know: the moment it was due or asked for, however late it is made.';
CREATE INDEX report_job_due ON report_job (due_at, id) WHERE state = 'due';
CREATE INDEX report_job_due_by_patient ON report_job (patient_id, due_at, id) WHERE state = 'due' AND patient_id IS NOT NULL;
CREATE INDEX report_job_failed ON report_job (id) WHERE state = 'failed';
CREATE INDEX report_job_done ON report_job (done_at) WHERE state = 'done';

CREATE TABLE report (
    id             uuid PRIMARY KEY,
    patient_id     uuid NOT NULL REFERENCES patient,
    week           text NOT NULL CHECK (week ~ '^[0-9]{4}-W[0-9]{2}$'),
    version        int NOT NULL CHECK (version >= 1),
    from_at        timestamptz NOT NULL,
    to_at          timestamptz NOT NULL,
    known_at       timestamptz NOT NULL,
    software       text NOT NULL,
    rules_version  text NOT NULL,
    content        text NOT NULL,
    content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
    headline       jsonb NOT NULL,
    correction_of  int CHECK (correction_of < version),
    created_at     timestamptz NOT NULL,
    UNIQUE (patient_id, week, version),
    UNIQUE (id, patient_id)
);
COMMENT ON COLUMN report.content IS 'The exact bytes of the canonical JSON: text and not jsonb, which would change them.';
CREATE INDEX report_by_time ON report (patient_id, from_at, version);

CREATE TABLE report_document (
    report_id  uuid NOT NULL,
    patient_id uuid NOT NULL,
    language   text NOT NULL CHECK (language IN ('fr', 'en')),
    format     text NOT NULL CHECK (format IN ('pdf', 'html')),
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    bytes      bytea NOT NULL,
    PRIMARY KEY (report_id, language, format),
    -- Both columns, so that a document can never be seen by others than its report.
    FOREIGN KEY (report_id, patient_id) REFERENCES report (id, patient_id)
);
-- A PDF is compressed already; trying again costs more than it saves.
ALTER TABLE report_document ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE practice_report (
    id             uuid PRIMARY KEY,
    practice_id    uuid NOT NULL REFERENCES practice,
    week           text NOT NULL CHECK (week ~ '^[0-9]{4}-W[0-9]{2}$'),
    known_at       timestamptz NOT NULL,
    software       text NOT NULL,
    content        text NOT NULL,
    content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
    patients       uuid[] NOT NULL CHECK (cardinality(patients) > 0 AND array_position(patients, NULL) IS NULL),
    created_at     timestamptz NOT NULL,
    UNIQUE (practice_id, week)
);
COMMENT ON COLUMN practice_report.patients IS 'Everybody who is named in it: it is shown to those only who may see all of them.';

CREATE TABLE practice_report_document (
    practice_report_id uuid NOT NULL REFERENCES practice_report,
    language           text NOT NULL CHECK (language IN ('fr', 'en')),
    format             text NOT NULL CHECK (format IN ('pdf', 'html')),
    sha256             bytea NOT NULL CHECK (length(sha256) = 32),
    bytes              bytea NOT NULL,
    PRIMARY KEY (practice_report_id, language, format)
);
ALTER TABLE practice_report_document ALTER COLUMN bytes SET STORAGE EXTERNAL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['report', 'report_document', 'practice_report', 'practice_report_document'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['practice', 'practice_patient', 'report_job', 'report', 'report_document', 'practice_report',
        'practice_report_document'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_all ON %I TO vigie_owner USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY admin_all ON %I TO vigie_admin USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY reports_all ON %I TO vigie_reports USING (true) WITH CHECK (true)', name);
    END LOOP;
    -- The reports workers serve every patient; the grants below say which tables.
    FOREACH name IN ARRAY ARRAY['patient', 'care_plan', 'rule_version', 'pause', 'device_assignment', 'reading', 'patient_watch',
        'alert', 'alert_evidence', 'alert_event'] LOOP
        EXECUTE format('CREATE POLICY reports_all ON %I FOR SELECT TO vigie_reports USING (true)', name);
    END LOOP;
    -- Staff see what is about their own patients.
    FOREACH name IN ARRAY ARRAY['practice_patient', 'report_job', 'report', 'report_document'] LOOP
        EXECUTE format('CREATE POLICY dashboard_own ON %I FOR SELECT TO vigie_dashboard
                        USING (EXISTS (SELECT FROM patient p WHERE p.id = patient_id))', name);
    END LOOP;
END $$;
-- The row-level security of practice_patient applies inside: practices of one's own patients.
CREATE POLICY dashboard_own ON practice FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM practice_patient f WHERE f.practice_id = practice.id));
-- And that of patient: whoever may not see one of those named sees nothing of the document.
CREATE POLICY dashboard_own ON practice_report FOR SELECT TO vigie_dashboard
    USING (NOT EXISTS (SELECT FROM unnest(patients) AS n(id) WHERE NOT EXISTS (SELECT FROM patient p WHERE p.id = n.id)));
CREATE POLICY dashboard_own ON practice_report_document FOR SELECT TO vigie_dashboard
    USING (EXISTS (SELECT FROM practice_report r WHERE r.id = practice_report_id));
-- A correction is asked for by somebody who treats the patient, in their own name.
CREATE POLICY dashboard_asks ON report_job FOR INSERT TO vigie_dashboard
    WITH CHECK (kind = 'patient' AND state = 'due' AND attempts = 0 AND requested_by = (SELECT acting_staff())
                AND (SELECT acting_role()) IN ('nurse', 'physician', 'coordinator')
                AND EXISTS (SELECT FROM patient p WHERE p.id = patient_id));

GRANT SELECT ON patient, care_plan, rule_version, pause, reading, device_assignment, patient_watch, alert, alert_evidence,
    alert_event, care_team, practice, practice_patient TO vigie_reports;
GRANT SELECT (id, territory_id, kind) ON device TO vigie_reports;
GRANT SELECT, INSERT, UPDATE ON service_beat TO vigie_reports;
GRANT SELECT, INSERT ON report_job, report, report_document, practice_report, practice_report_document TO vigie_reports;
GRANT UPDATE (due_at, known_at, next_attempt_at, from_at, to_at, state, attempts, last_error, done_at) ON report_job TO vigie_reports;

GRANT SELECT ON practice, practice_patient, report_job, report, report_document, practice_report, practice_report_document
    TO vigie_dashboard;
GRANT INSERT ON report_job TO vigie_dashboard;

GRANT SELECT, INSERT ON practice, practice_patient, report_job TO vigie_admin;
GRANT UPDATE (address, channel, locale, fallback_address) ON practice TO vigie_admin;
GRANT UPDATE (until) ON practice_patient TO vigie_admin;
GRANT SELECT ON report, report_document, practice_report, practice_report_document TO vigie_admin;

RESET ROLE;
