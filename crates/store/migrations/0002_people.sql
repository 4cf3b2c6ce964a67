-- Who looks after whom.
SET LOCAL ROLE vigie_owner;

CREATE TABLE territory (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE care_team (
    id           uuid PRIMARY KEY,
    territory_id uuid NOT NULL REFERENCES territory,
    name         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (territory_id, name)
);

CREATE TABLE staff (
    id            uuid PRIMARY KEY,
    territory_id  uuid NOT NULL REFERENCES territory,
    login         text NOT NULL UNIQUE CHECK (length(login) BETWEEN 1 AND 64),
    display_name  text NOT NULL,
    role          text NOT NULL CHECK (role IN ('nurse', 'physician', 'coordinator', 'administrator', 'technician')),
    password_hash text NOT NULL,
    locale        text NOT NULL DEFAULT 'fr' CHECK (locale IN ('fr', 'en')),
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN staff.password_hash IS 'Argon2id in PHC form.';

CREATE TABLE care_team_member (
    staff_id     uuid NOT NULL REFERENCES staff,
    care_team_id uuid NOT NULL REFERENCES care_team,
    PRIMARY KEY (staff_id, care_team_id)
);

CREATE TABLE staff_session (
    token_hash   bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    staff_id     uuid NOT NULL REFERENCES staff,
    kind         text NOT NULL CHECK (kind IN ('cookie', 'bearer')),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
COMMENT ON COLUMN staff_session.token_hash IS 'SHA-256 of the token; the token itself is never stored.';
CREATE INDEX staff_session_by_staff ON staff_session (staff_id);

CREATE TABLE login_failure (
    login     text NOT NULL,
    failed_at timestamptz NOT NULL
);
COMMENT ON TABLE login_failure IS 'Slows down guessing; in the database because several dashboards share it.';
CREATE INDEX login_failure_by_login ON login_failure (login, failed_at);

CREATE TABLE patient (
    id           uuid PRIMARY KEY,
    territory_id uuid NOT NULL REFERENCES territory,
    care_team_id uuid NOT NULL REFERENCES care_team,
    identifier   text NOT NULL,
    family_name  text NOT NULL,
    given_name   text NOT NULL,
    birth_date   date NOT NULL,
    sex          text NOT NULL CHECK (sex IN ('female', 'male', 'unknown')),
    language     text NOT NULL DEFAULT 'fr' CHECK (language IN ('fr', 'en')),
    time_zone    text NOT NULL DEFAULT 'Europe/Paris',
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (territory_id, identifier)
);
COMMENT ON COLUMN patient.identifier IS 'The organisation''s own number. The national identity (INS) is not kept here.';
CREATE INDEX patient_by_care_team ON patient (care_team_id);

CREATE TABLE care_plan (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id uuid NOT NULL REFERENCES patient,
    plan       text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz CHECK (ended_at > started_at)
);
CREATE INDEX care_plan_by_patient ON care_plan (patient_id);

CREATE TABLE rule_version (
    patient_id  uuid NOT NULL REFERENCES patient,
    rule        text NOT NULL,
    version     int NOT NULL CHECK (version >= 1),
    valid_from  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    author_id   uuid REFERENCES staff,
    author      text NOT NULL,
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    spec        jsonb NOT NULL,
    PRIMARY KEY (patient_id, rule, version)
);
COMMENT ON TABLE rule_version IS 'Thresholds as prescriptions: only ever added to. There is no column that switches a rule off.';

CREATE TABLE pause (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id  uuid NOT NULL REFERENCES patient,
    from_at     timestamptz NOT NULL,
    until_at    timestamptz NOT NULL CHECK (until_at > from_at),
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    author_id   uuid REFERENCES staff,
    author      text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX pause_by_patient ON pause (patient_id);

-- Whoever exists is watched: a patient without this row would be stored and never judged.
CREATE TABLE patient_watch (
    patient_id    uuid PRIMARY KEY REFERENCES patient,
    watched_since timestamptz NOT NULL,
    next_due_at   timestamptz,
    judged_at     timestamptz
);
COMMENT ON TABLE patient_watch IS 'One row per patient: the judging worker''s lock, and when silence would begin.';
CREATE INDEX patient_watch_due ON patient_watch (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE FUNCTION watch_patient() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- Due at once: the first judgement sets the silence clock.
    INSERT INTO patient_watch (patient_id, watched_since, next_due_at) VALUES (NEW.id, NEW.created_at, NEW.created_at);
    RETURN NEW;
END $$;
CREATE TRIGGER watched AFTER INSERT ON patient FOR EACH ROW EXECUTE FUNCTION watch_patient();

RESET ROLE;
