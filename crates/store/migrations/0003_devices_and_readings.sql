-- What measures, and what was measured.
SET LOCAL ROLE vigie_owner;

CREATE TABLE device (
    id           text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
    territory_id uuid NOT NULL REFERENCES territory,
    kind         text NOT NULL,
    secret_hash  bytea NOT NULL CHECK (length(secret_hash) = 32),
    enrolled_at  timestamptz NOT NULL,
    revoked_at   timestamptz
);
COMMENT ON COLUMN device.secret_hash IS 'SHA-256. The secret has 256 random bits, so a fast hash is right.';

-- A reading belongs to who held the device when it was measured.
CREATE TABLE device_assignment (
    device_id  text NOT NULL REFERENCES device,
    patient_id uuid NOT NULL REFERENCES patient,
    held       tstzrange NOT NULL CHECK (NOT isempty(held)),
    EXCLUDE USING gist (device_id WITH =, held WITH &&)
);
CREATE INDEX device_assignment_by_patient ON device_assignment (patient_id);

CREATE TABLE device_status (
    device_id       text PRIMARY KEY REFERENCES device,
    state           text NOT NULL,
    battery_percent int,
    firmware        text,
    clock           text,
    queue_length    int,
    received_at     timestamptz NOT NULL
);

-- One row per value of a reading. A duplicate is recognised by the ledger, not by a unique index.
DO $$
DECLARE
    columns text := $columns$
        patient_id         uuid NOT NULL,
        vital              text NOT NULL,
        measured_at        timestamptz NOT NULL,
        received_at        timestamptz NOT NULL,
        device_id          text NOT NULL,
        epoch              bigint NOT NULL,
        sequence           bigint NOT NULL,
        device_measured_at timestamptz NOT NULL,
        value              numeric,
        comparator         text CHECK (comparator IN ('<', '>')),
        unit               text NOT NULL,
        of_a_person        boolean NOT NULL,
        context            jsonb,
        flags              text[],
        CHECK (value IS NOT NULL OR comparator IS NOT NULL)
    $columns$;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        EXECUTE 'CREATE TABLE reading (' || columns || ')';
        PERFORM create_hypertable('reading', 'measured_at', chunk_time_interval => interval '7 days',
                                  create_default_indexes => false);
    ELSE
        EXECUTE 'CREATE TABLE reading (' || columns || ') PARTITION BY RANGE (measured_at)';
    END IF;
END $$;
COMMENT ON COLUMN reading.measured_at IS 'Corrected clock; the device''s own word is device_measured_at.';
COMMENT ON COLUMN reading.value IS 'As sent: numeric keeps the digits. NULL for a bare HI or LO.';
COMMENT ON COLUMN reading.of_a_person IS 'False for control solutions and self tests: never trended, never judged.';
CREATE INDEX reading_by_patient ON reading (patient_id, vital, measured_at DESC);
CREATE INDEX reading_by_device ON reading (device_id, epoch, sequence);

-- Monthly partitions where TimescaleDB is not there; whatever is older or newer goes to the default one.
CREATE FUNCTION ensure_reading_partitions(first_month date, last_month date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date := date_trunc('month', first_month)::date;
    name  text;
    made  int := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'reading'::regclass) THEN
        RETURN 0;
    END IF;
    WHILE month <= last_month LOOP
        name := 'reading_' || to_char(month, 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF reading FOR VALUES FROM (%L) TO (%L)',
                           name, month::timestamptz, (month + interval '1 month')::timestamptz);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            made := made + 1;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'reading'::regclass) THEN
        CREATE TABLE reading_elsewhen PARTITION OF reading DEFAULT;
        ALTER TABLE reading_elsewhen ENABLE ROW LEVEL SECURITY;
        ALTER TABLE reading_elsewhen FORCE ROW LEVEL SECURITY;
        PERFORM ensure_reading_partitions((now() - interval '24 months')::date, (now() + interval '13 months')::date);
    END IF;
END $$;

-- Which sequence numbers arrived, per device and memory epoch; updated in the transaction that stores them.
CREATE TABLE ledger (
    device_id text NOT NULL,
    epoch     bigint NOT NULL,
    received  int8multirange NOT NULL,
    PRIMARY KEY (device_id, epoch)
) WITH (fillfactor = 70);

-- What could not become a reading: bytes and reason, nothing thrown away.
CREATE TABLE quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   text NOT NULL,
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    payload     bytea NOT NULL,
    payload_sha256 bytea NOT NULL,
    batch_id    text,
    epoch       bigint,
    sequence    bigint,
    code        text NOT NULL,
    reason      text NOT NULL
);
CREATE INDEX quarantine_by_device ON quarantine (device_id, received_at);
-- A device that sends the same refused bytes again and again adds nothing new.
CREATE UNIQUE INDEX quarantine_once ON quarantine (device_id, payload_sha256, code, coalesce(epoch, -1), coalesce(sequence, -1));

-- For the device: receipts and commands wait here until it has them.
CREATE TABLE device_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id  text NOT NULL,
    channel    text NOT NULL CHECK (channel IN ('receipts', 'commands')),
    payload    bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX device_outbox_by_device ON device_outbox (device_id, id);

RESET ROLE;
