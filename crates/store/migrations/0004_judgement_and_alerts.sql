-- Stored means judged.
SET LOCAL ROLE vigie_owner;

-- Append only; a worker claims a patient and deletes the rows it saw, in the transaction that judges.
CREATE TABLE judgement_queue (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id uuid NOT NULL,
    since      timestamptz NOT NULL
);
COMMENT ON COLUMN judgement_queue.since IS 'Earliest measured_at (or valid_from) that changed.';
CREATE INDEX judgement_queue_by_patient ON judgement_queue (patient_id);

CREATE TABLE alert (
    id              uuid PRIMARY KEY,
    patient_id      uuid NOT NULL REFERENCES patient,
    rule            text NOT NULL,
    rule_version    int NOT NULL,
    vital           text NOT NULL,
    priority        text NOT NULL CHECK (priority IN ('high', 'medium', 'low', 'technical')),
    state           text NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    condition       text NOT NULL CHECK (condition IN ('active', 'recovering', 'ended')),
    happened_at     timestamptz NOT NULL,
    known_at        timestamptz NOT NULL,
    opened_at       timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    unsupported     boolean NOT NULL DEFAULT false,
    worst           jsonb NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by uuid REFERENCES staff,
    assigned_to     uuid REFERENCES staff,
    resolved_at     timestamptz,
    resolved_by     uuid REFERENCES staff,
    outcome         text,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);
COMMENT ON COLUMN alert.worst IS 'The evidence of highest priority, latest among equals: what the one-sentence reason is made from.';
-- The guarantee itself: one alert that is not resolved per patient and rule.
CREATE UNIQUE INDEX alert_one_open ON alert (patient_id, rule) WHERE state <> 'resolved';
CREATE INDEX alert_by_patient ON alert (patient_id, opened_at);
CREATE INDEX alert_open ON alert (state, priority) WHERE state <> 'resolved';

CREATE TABLE alert_evidence (
    alert_id    uuid NOT NULL REFERENCES alert,
    patient_id  uuid NOT NULL,
    rule        text NOT NULL,
    breach      text NOT NULL,
    happened_at timestamptz NOT NULL,
    evidence    jsonb NOT NULL,
    PRIMARY KEY (patient_id, rule, breach)
);
COMMENT ON COLUMN alert_evidence.breach IS 'device/epoch/sequence/vital, or silence/<due>: a breach is evidence once, whatever is replayed.';
CREATE INDEX alert_evidence_by_alert ON alert_evidence (alert_id, happened_at);

CREATE TABLE alert_event (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id   uuid NOT NULL REFERENCES alert,
    patient_id uuid NOT NULL,
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    actor_id   uuid REFERENCES staff,
    actor      text NOT NULL,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_event_by_alert ON alert_event (alert_id, id);

-- What browsers and programs follow. The number is given in commit order: the one counter row is locked
-- until commit, so that whoever has seen n has seen everything up to n.
CREATE TABLE stream_position (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    last_id bigint NOT NULL
);
INSERT INTO stream_position (last_id) VALUES (0);
CREATE TABLE stream_event (
    id         bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    patient_id uuid NOT NULL,
    alert_id   uuid,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX stream_event_by_time ON stream_event (at);

-- Who, what, when, from where, why. No clinical values.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor_id   uuid,
    actor      text NOT NULL,
    action     text NOT NULL,
    patient_id uuid,
    request_id text NOT NULL,
    detail     text NOT NULL DEFAULT ''
);
CREATE INDEX audit_by_patient ON audit (patient_id, at);

-- Proof of life of each role; the age of the newest is shown to staff.
CREATE TABLE service_beat (
    role     text NOT NULL,
    instance text NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (role, instance)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON alert_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rule_version FOR EACH ROW EXECUTE FUNCTION refuse_change();

RESET ROLE;
