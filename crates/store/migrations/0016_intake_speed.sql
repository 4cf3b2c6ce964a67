-- Who held a device is asked with every group of readings. By the GiST index of the exclusion constraint one answer
-- takes a tenth of a millisecond; the planner thinks it as good as a plain index, or reads the whole table.
SET LOCAL ROLE vigie_owner;

-- By bytes: asked with this collation, only this index can answer.
CREATE INDEX device_assignment_by_device ON device_assignment (device_id COLLATE "C");

RESET ROLE;
