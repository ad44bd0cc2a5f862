"""The views and macros over the archive. docs/tables.md says what each means."""

DUMPS = "CREATE TABLE dumps (upload_date DATE, event_date DATE, events BIGINT)"
"""Which dates of events stand in which dump, as the manifests tell."""
EVENTS = """
CREATE VIEW events AS
SELECT coalesce(merged.person, amplitude_id) AS person, once.*
FROM (
    SELECT * FROM deliveries
    QUALIFY uuid IS NULL OR row_number() OVER (PARTITION BY uuid ORDER BY upload_date) = 1
) AS once
LEFT JOIN merged ON merged.id = amplitude_id
"""
"""One row per uuid: the first that was delivered. What has none is kept."""

VIEWS = (
    """
CREATE MACRO day
    (ts) AS date_part('day', ts),
    (ts, tz) AS CAST(timezone(tz, timezone('UTC', ts)) AS DATE)
""",
    """
CREATE VIEW sessions AS
SELECT person, device_id, session_id, min(event_time) AS started, max(event_time) AS ended,
    date_diff('second', min(event_time), max(event_time)) AS seconds, count(*) AS events,
    arg_max(platform, event_time) AS platform, arg_max(country, event_time) AS country
FROM events WHERE session_id <> -1 GROUP BY person, device_id, session_id
""",
    """
CREATE VIEW people AS
SELECT person, arg_max(user_id, event_time) AS user_id, min(event_time) AS first_seen, max(event_time) AS last_seen,
    count(*) AS events, count(DISTINCT CASE WHEN session_id <> -1 THEN (device_id, session_id) END) AS sessions,
    count(DISTINCT device_id) AS devices, arg_max(platform, event_time) AS platform,
    arg_max(country, event_time) AS country
FROM events WHERE person IS NOT NULL GROUP BY person
""",
    """
CREATE VIEW daily AS
SELECT day(event_time, 'UTC') AS day, count(*) AS events, count(DISTINCT person) AS people,
    count(DISTINCT CASE WHEN first_seen = day(event_time, 'UTC') THEN person END) AS new_people,
    count(DISTINCT CASE WHEN session_id <> -1 THEN (device_id, session_id) END) AS sessions
FROM events LEFT JOIN (
    SELECT person, day(min(event_time), 'UTC') AS first_seen FROM events GROUP BY person
) AS firsts USING (person)
WHERE event_time IS NOT NULL GROUP BY ALL ORDER BY day
""",
    """
CREATE MACRO funnel(a, b, c) AS TABLE
WITH first_step AS (
    SELECT person, min(event_time) AS moment FROM events WHERE event_type = a AND person IS NOT NULL GROUP BY person
), second_step AS (
    SELECT person, min(event_time) AS moment FROM events JOIN first_step USING (person)
    WHERE event_type = b AND event_time > first_step.moment GROUP BY person
), third_step AS (
    SELECT person, min(event_time) AS moment FROM events JOIN second_step USING (person)
    WHERE event_type = c AND event_time > second_step.moment GROUP BY person
)
SELECT 1 AS step, a AS event_type, count(moment) AS people FROM first_step
UNION ALL SELECT 2, b, count(moment) FROM second_step
UNION ALL SELECT 3, c, count(moment) FROM third_step
ORDER BY step
""",
    """
CREATE MACRO retention(tz) AS TABLE
WITH active AS (
    SELECT DISTINCT person, day(event_time, tz) AS day FROM events WHERE person IS NOT NULL AND event_time IS NOT NULL
), cohorts AS (
    SELECT person, min(day) AS cohort FROM active GROUP BY person
), counted AS (
    SELECT cohort, date_diff('day', cohort, day) AS days, count(*) AS people
    FROM active JOIN cohorts USING (person) GROUP BY ALL
)
SELECT cohort, days, people, people / first(people) OVER (PARTITION BY cohort ORDER BY days) AS share
FROM counted ORDER BY cohort, days
""",
)
