-- What the dashboard needs beyond its rows: proof of life that no single member of staff may compute from
-- the patients they see, and grants no wider than the work.
SET LOCAL ROLE vigie_owner;

-- How long the oldest reading has been waiting to be judged. The database's own clock on both sides, so
-- that a process with a wrong clock cannot make the wait look short.
ALTER TABLE judgement_queue ADD COLUMN queued_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- Over all patients, but nothing about any of them: two times and an age.
CREATE FUNCTION judging_progress(OUT last_judged_at timestamptz, OUT queue_age_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT max(judged_at) FROM patient_watch),
           -- The queue is claimed roughly in order of id: the first rows hold the oldest.
           (SELECT extract(epoch FROM clock_timestamp() - min(queued_at))::double precision
            FROM (SELECT queued_at FROM judgement_queue ORDER BY id LIMIT 100) q)
$$;

-- The number below which events have been removed: whoever stopped before it has missed something.
CREATE FUNCTION stream_floor() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT min(id) - 1 FROM stream_event), (SELECT last_id FROM stream_position))
$$;

REVOKE EXECUTE ON FUNCTION judging_progress, stream_floor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION judging_progress, stream_floor TO vigie_dashboard, vigie_alerts;

-- The hash of a device's secret is the gateway's business.
REVOKE SELECT ON device FROM vigie_dashboard;
GRANT SELECT (id, territory_id, kind, enrolled_at, revoked_at) ON device TO vigie_dashboard;

-- People change the work on an alert, never what it is about.
REVOKE UPDATE ON alert FROM vigie_dashboard;
GRANT UPDATE (state, changed_at, acknowledged_at, acknowledged_by, assigned_to, resolved_at, resolved_by, outcome)
    ON alert TO vigie_dashboard;

CREATE INDEX audit_by_actor ON audit (actor_id, id);

RESET ROLE;
