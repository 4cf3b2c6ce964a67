-- What came late is looked for by when it came. Few readings are late, so few are in this index, and storing one that
-- comes in time costs a comparison. In a file of its own: it reads the whole table, and storing waits for it.
SET LOCAL ROLE vigie_owner;
CREATE INDEX reading_late ON reading (patient_id, received_at) WHERE received_at - measured_at > interval '1 hour';
RESET ROLE;
