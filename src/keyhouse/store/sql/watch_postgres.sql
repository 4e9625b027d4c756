-- What the auditor asks every minute: the same sums as auditor_postgres.sql, of a stretch of calls instead of all.

-- step --
-- The newest of the next calls by id, and how many they are. $1 after  $2 before  $3 at most
SELECT max(id), count(*) FROM (SELECT id FROM calls WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3) AS n;

-- held --
-- Every call that runs, of those up to an id. $1 up to
SELECT id FROM calls WHERE state = 'held' AND (id || '') COLLATE "C" <= $1;

-- adjusted --
-- Every call that was settled late, of those up to an id. There are few: only what a lost gateway held. $1 up to
SELECT call_id FROM adjustments WHERE call_id <= $1;

-- counted --
-- What calls add up to on each period that is still there: settled with what was given back, and reserved.
-- $1 after  $2 up to  $3 [call id] besides
WITH chosen AS (
  SELECT id FROM calls WHERE id > $1 AND id <= $2 UNION ALL SELECT jsonb_array_elements_text($3::jsonb)
), counted AS (
  SELECT i.value::bigint AS period_id, c.state, c.reserved_nano_usd, c.reserved_tokens, c.reserved_tokens_estimate,
    c.reserved_images, c.reserved_audio_seconds, c.reserved_characters,
    coalesce(c.charged_nano_usd, 0) AS charged_nano_usd, c.input_tokens + c.output_tokens AS tokens, c.images,
    c.audio_seconds, c.characters, coalesce(a.nano_usd, 0) AS given_nano_usd, coalesce(a.requests, 0) AS given_requests,
    coalesce(a.tokens, 0) AS given_tokens, coalesce(a.tokens_estimate, 0) AS given_tokens_estimate,
    coalesce(a.images, 0) AS given_images, coalesce(a.audio_seconds, 0) AS given_audio_seconds,
    coalesce(a.characters, 0) AS given_characters
  FROM chosen AS w
  JOIN calls AS c ON c.id = w.id
  CROSS JOIN jsonb_array_elements_text(c.period_ids::jsonb) AS i
  LEFT JOIN adjustments AS a ON a.call_id = c.id
), amounts AS (
  SELECT n.period_id, n.state,
    CASE l.unit WHEN 'usd' THEN n.reserved_nano_usd WHEN 'requests' THEN 1 WHEN 'concurrency' THEN 1
      WHEN 'tokens' THEN CASE l.window WHEN 'minute' THEN n.reserved_tokens_estimate ELSE n.reserved_tokens END
      WHEN 'images' THEN n.reserved_images WHEN 'audio_seconds' THEN n.reserved_audio_seconds
      ELSE n.reserved_characters END AS reserved,
    CASE l.unit WHEN 'usd' THEN n.charged_nano_usd WHEN 'requests' THEN 1 WHEN 'concurrency' THEN 0
      WHEN 'tokens' THEN n.tokens WHEN 'images' THEN n.images WHEN 'audio_seconds' THEN n.audio_seconds
      ELSE n.characters END AS charged,
    CASE l.unit WHEN 'usd' THEN n.given_nano_usd WHEN 'requests' THEN n.given_requests WHEN 'concurrency' THEN -1
      WHEN 'tokens' THEN CASE l.window WHEN 'minute' THEN n.given_tokens_estimate ELSE n.given_tokens END
      WHEN 'images' THEN n.given_images WHEN 'audio_seconds' THEN n.given_audio_seconds
      ELSE n.given_characters END AS given
  FROM counted AS n
  JOIN limit_periods AS p ON p.id = n.period_id
  JOIN limits AS l ON l.id = p.limit_id
)
SELECT period_id,
  sum(CASE state WHEN 'settled' THEN charged WHEN 'orphaned' THEN reserved + given ELSE 0 END)::bigint,
  sum(CASE state WHEN 'held' THEN reserved ELSE 0 END)::bigint
FROM amounts GROUP BY period_id;

-- given --
-- What late settles gave back on each period that is still there. $1 [call id]
SELECT p.id, sum(CASE l.unit WHEN 'usd' THEN a.nano_usd WHEN 'requests' THEN a.requests WHEN 'concurrency' THEN 0
  WHEN 'tokens' THEN CASE l.window WHEN 'minute' THEN a.tokens_estimate ELSE a.tokens END
  WHEN 'images' THEN a.images WHEN 'audio_seconds' THEN a.audio_seconds ELSE a.characters END)::bigint
FROM jsonb_array_elements_text($1::jsonb) AS w
JOIN adjustments AS a ON a.call_id = w.value
JOIN calls AS c ON c.id = a.call_id
CROSS JOIN jsonb_array_elements_text(c.period_ids::jsonb) AS i
JOIN limit_periods AS p ON p.id = i.value::bigint
JOIN limits AS l ON l.id = p.limit_id
GROUP BY p.id;

-- rolled_up --
-- What closed calls add up to in each rollup. $1 after  $2 up to  $3 [call id] besides  $4 only in slots after
WITH chosen AS (
  SELECT id FROM calls WHERE id > $1 AND id <= $2 UNION ALL SELECT jsonb_array_elements_text($3::jsonb)
)
SELECT c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
  count(*) FILTER (WHERE c.state <> 'released'), sum(c.input_tokens)::bigint,
  sum(c.output_tokens)::bigint, sum(coalesce(c.charged_nano_usd, 0) + coalesce(a.nano_usd, 0))::bigint
FROM chosen AS w
JOIN calls AS c ON c.id = w.id
LEFT JOIN adjustments AS a ON a.call_id = c.id
WHERE c.state <> 'held' AND c.rollup_at_ms > $4
GROUP BY c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint;

-- given_back --
-- What late settles gave back in each rollup. $1 [call id]  $2 only in slots after
SELECT c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
  0, 0, 0, sum(a.nano_usd)::bigint
FROM jsonb_array_elements_text($1::jsonb) AS w
JOIN adjustments AS a ON a.call_id = w.value
JOIN calls AS c ON c.id = a.call_id
WHERE c.rollup_at_ms > $2
GROUP BY c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint;

-- hours --
-- The rollups as they stand. $1 in slots after  $2 up to
SELECT starts_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint, requests, input_tokens,
  output_tokens, cost_nano_usd
FROM usage_hour WHERE starts_at_ms > $1 AND starts_at_ms <= $2;

-- periods --
-- The counters as they stand: the next rows by id, and some besides. $1 after  $2 at most  $3 [period id] besides
SELECT p.id, p.limit_id, p.period, l.unit, p.settled, p.reserved, p.overrun, p.peak
FROM (SELECT id FROM (SELECT id FROM limit_periods WHERE id > $1 ORDER BY id LIMIT $2) AS n
      UNION SELECT jsonb_array_elements_text($3::jsonb)::bigint) AS w
JOIN limit_periods AS p ON p.id = w.id
JOIN limits AS l ON l.id = p.limit_id;

-- pruned --
-- What calls counted that are no longer kept.
SELECT id, pruned FROM limit_periods WHERE pruned <> 0;

-- pruned_to --
-- How far calls were pruned: the newest id and the newest slot.
SELECT coalesce(max(last_id), ''), coalesce(max(last_slot_ms), 0) FROM pruned_calls;

-- strays --
-- As in auditor_postgres.sql. $1 after  $2 up to  $3 [call id] besides
WITH chosen AS (
  SELECT id FROM calls WHERE id > $1 AND id <= $2 UNION ALL SELECT jsonb_array_elements_text($3::jsonb)
)
SELECT c.id, c.state FROM chosen AS w JOIN calls AS c ON c.id = w.id
WHERE (c.state = 'held' AND EXISTS (
    SELECT 1 FROM jsonb_array_elements_text(c.period_ids::jsonb) AS i
    WHERE NOT EXISTS (SELECT 1 FROM limit_periods AS p WHERE p.id = i.value::bigint)))
  OR (c.state IN ('settled', 'orphaned') AND (c.basis IS NULL OR c.closed_at_ms IS NULL))
  OR (c.state = 'released' AND c.charged_nano_usd <> 0)
ORDER BY c.id LIMIT 1000;
