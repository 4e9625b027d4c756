-- The ledger's statements on PostgreSQL. A batch is one transaction at READ COMMITTED: `lock` takes every row it
-- may change, always in the same order (instance, calls by id, periods by id), so that gateways wait for each other
-- and never in a circle; `load` begins after that and so sees what was committed while it waited; the decision is
-- made on locked rows; `write` puts it back in one step. A joined UPDATE alone would not do: after waiting for a
-- lock PostgreSQL looks only at the target row anew.

-- lock --
-- $1 instance  $2 [call id]  $3 [[scope type, scope id]]  $4 [[organization, window, period]]
-- When the instance was declared dead (NULL while it lives), the database's time, and the ids of the locked periods.
WITH me AS MATERIALIZED (
  SELECT i.id, i.dead_at_ms FROM instances AS i WHERE i.id = $1 FOR NO KEY UPDATE
), ending AS MATERIALIZED (
  SELECT c.id, c.period_ids FROM calls AS c
  WHERE c.id IN (SELECT jsonb_array_elements_text($2::jsonb)) AND (SELECT count(*) FROM me) = 1
  ORDER BY c.id FOR NO KEY UPDATE
), wanted AS MATERIALIZED (
  SELECT p.id
  FROM jsonb_array_elements($3::jsonb) AS w
  JOIN limits AS l ON l.scope_id = w.value ->> 1 AND l.scope_type = w.value ->> 0 AND l.deleted_at_ms IS NULL
  JOIN jsonb_array_elements($4::jsonb) AS s ON s.value ->> 0 = l.organization_id AND s.value ->> 1 = l.window
  JOIN limit_periods AS p ON p.limit_id = l.id AND p.period = s.value ->> 2
  UNION
  SELECT i.value::bigint FROM ending AS e, jsonb_array_elements_text(e.period_ids::jsonb) AS i
), locked AS MATERIALIZED (
  SELECT p.id FROM limit_periods AS p
  WHERE p.id = ANY (ARRAY(SELECT id FROM wanted)) AND (SELECT count(*) FROM ending) >= 0
  ORDER BY p.id FOR NO KEY UPDATE
)
SELECT (SELECT count(*) FROM me) AS known, (SELECT dead_at_ms FROM me) AS dead_at_ms,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
  ARRAY(SELECT id FROM locked) AS period_ids;

-- load --
-- All that a batch needs, as four JSON arrays.
-- $1 [[key id, secret version]]  $2 [[scope type, scope id]]  $3 [[organization, window, period]]  $4 [call id]
SELECT
  (SELECT coalesce(jsonb_agg(jsonb_build_array(s.key_id, s.version, s.ends_at_ms,
      least(k.expires_at_ms, parent.expires_at_ms),
      coalesce(k.disabled_at_ms, parent.disabled_at_ms), coalesce(k.revoked_at_ms, parent.revoked_at_ms), CASE k.kind
        WHEN 'service_account' THEN coalesce(a.deleted_at_ms, CASE WHEN a.id IS NULL THEN 0 END)
        ELSE coalesce(u.disabled_at_ms, m.removed_at_ms, CASE WHEN m.user_id IS NULL THEN 0 END) END,
      p.archived_at_ms, k.access_lost_at_ms)), '[]')::text
   FROM jsonb_array_elements($1::jsonb) AS w
   JOIN key_secrets AS s ON s.key_id = w.value ->> 0 AND s.version = (w.value ->> 1)::int
   JOIN api_keys AS k ON k.id = s.key_id
   LEFT JOIN api_keys AS parent ON parent.id = k.parent_id
   LEFT JOIN projects AS p ON p.id = k.project_id
   LEFT JOIN users AS u ON u.id = k.owner_id
   LEFT JOIN memberships AS m ON m.user_id = k.owner_id AND m.organization_id = k.organization_id
   LEFT JOIN service_accounts AS a ON a.id = k.owner_id),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(l.id, l.organization_id, l.scope_type, l.scope_id, l.unit, l.window,
      l.amount, l.model, l.refuse_when_short, p.id, p.ends_at_ms, p.settled, p.reserved, p.overrun, p.peak)), '[]')::text
   FROM jsonb_array_elements($2::jsonb) AS w
   JOIN limits AS l ON l.scope_id = w.value ->> 1 AND l.scope_type = w.value ->> 0 AND l.deleted_at_ms IS NULL
   JOIN jsonb_array_elements($3::jsonb) AS s ON s.value ->> 0 = l.organization_id AND s.value ->> 1 = l.window
   LEFT JOIN limit_periods AS p ON p.limit_id = l.id AND p.period = s.value ->> 2),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(c.id, c.state, c.reserved_nano_usd, c.reserved_tokens,
      c.reserved_tokens_estimate, c.period_ids, c.reserved_images, c.reserved_audio_seconds, c.reserved_characters,
      a.call_id IS NOT NULL, c.price_id IS NOT NULL)), '[]')::text
   FROM jsonb_array_elements_text($4::jsonb) AS w
   JOIN calls AS c ON c.id = w.value
   LEFT JOIN adjustments AS a ON a.call_id = c.id),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(l.id, l.organization_id, l.scope_type, l.scope_id, l.unit, l.window,
      l.amount, l.model, l.refuse_when_short, p.id, p.ends_at_ms, p.settled, p.reserved, p.overrun, p.peak)), '[]')::text
   FROM (SELECT DISTINCT i.value::bigint AS id FROM jsonb_array_elements_text($4::jsonb) AS w
         JOIN calls AS c ON c.id = w.value, jsonb_array_elements_text(c.period_ids::jsonb) AS i) AS n
   JOIN limit_periods AS p ON p.id = n.id
   JOIN limits AS l ON l.id = p.limit_id);

-- insert_periods --
-- The present period of each limit that has none yet, in a transaction of its own. $1 [[limit id, period, starts, ends]]
INSERT INTO limit_periods (limit_id, period, starts_at_ms, ends_at_ms)
SELECT w.value ->> 0, w.value ->> 1, (w.value ->> 2)::bigint, (w.value ->> 3)::bigint
FROM jsonb_array_elements($1::jsonb) AS w
ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- write --
-- Everything but adjustments. A key that was used within the last second, or is being changed right now, is not
-- touched: its last use is for people to see. Rollup rows are written in the order of their keys, for the same
-- reason as `lock` has an order.
-- $1 calls to open  $2 [key id]  $3 calls to close  $4 [[period id, settled, reserved, overrun, peak]]  $5 now  $6 instance
WITH opened AS (
  INSERT INTO calls (
    id, request_id, attempt, organization_id, project_id, owner_type, owner_id, key_id, secret_version, model,
    upstream, endpoint, address, agent, price_id, rollup_at_ms, period_ids, reserved_nano_usd, reserved_tokens,
    reserved_tokens_estimate, reserved_images, reserved_audio_seconds, reserved_characters, output_tokens_max,
    created_at_ms, instance_id, state)
  SELECT
    w.value ->> 0, w.value ->> 1, (w.value ->> 2)::int, w.value ->> 3, w.value ->> 4, w.value ->> 5,
    w.value ->> 6, w.value ->> 7, (w.value ->> 8)::int, w.value ->> 9, w.value ->> 10, w.value ->> 11,
    w.value ->> 12, w.value ->> 13, (w.value ->> 14)::bigint, (w.value ->> 15)::bigint, w.value ->> 16,
    (w.value ->> 17)::bigint, (w.value ->> 18)::bigint, (w.value ->> 19)::bigint, (w.value ->> 20)::bigint,
    (w.value ->> 21)::bigint, (w.value ->> 22)::bigint, (w.value ->> 23)::bigint, $5, $6, 'held'
  FROM jsonb_array_elements($1::jsonb) AS w
), counted AS (
  UPDATE limit_periods SET settled = (w.value ->> 1)::bigint, reserved = (w.value ->> 2)::bigint,
    overrun = (w.value ->> 3)::bigint, peak = (w.value ->> 4)::bigint
  FROM jsonb_array_elements($4::jsonb) AS w WHERE limit_periods.id = (w.value ->> 0)::bigint
), closed AS (
  UPDATE calls SET
    state = w.value ->> 1, basis = w.value ->> 2, charged_nano_usd = (w.value ->> 3)::bigint,
    input_tokens = (w.value ->> 4)::bigint, cached_input_tokens = (w.value ->> 5)::bigint,
    cache_write_tokens = (w.value ->> 6)::bigint, output_tokens = (w.value ->> 7)::bigint,
    reasoning_tokens = (w.value ->> 8)::bigint, audio_input_tokens = (w.value ->> 9)::bigint,
    audio_output_tokens = (w.value ->> 10)::bigint, image_input_tokens = (w.value ->> 11)::bigint,
    image_output_tokens = (w.value ->> 12)::bigint, images = (w.value ->> 13)::bigint,
    audio_seconds = (w.value ->> 14)::bigint, characters = (w.value ->> 15)::bigint, tier = w.value ->> 16,
    status = (w.value ->> 17)::int, first_byte_ms = (w.value ->> 18)::bigint,
    duration_ms = (w.value ->> 19)::bigint, flags = w.value ->> 20, closed_at_ms = $5
  FROM jsonb_array_elements($3::jsonb) AS w WHERE calls.id = w.value ->> 0 AND calls.state = 'held'
  RETURNING calls.*
), hours AS (
  INSERT INTO usage_hour (
    starts_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint, requests, errors,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd,
    unpriced_requests, audio_input_tokens, audio_output_tokens, images, audio_seconds, characters, duration_0,
    duration_1, duration_2, duration_3, duration_4, duration_5, duration_6, duration_7, duration_8, duration_9, duration_10, duration_11, duration_12, duration_13, first_byte_0, first_byte_1,
    first_byte_2, first_byte_3, first_byte_4, first_byte_5, first_byte_6, first_byte_7, first_byte_8, first_byte_9,
    first_byte_10, first_byte_11, first_byte_12, first_byte_13, errors_429, errors_5xx, answering_ms)
  SELECT
    rollup_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint,
    count(*) FILTER (WHERE state <> 'released'), count(*) FILTER (WHERE status >= 400 OR state = 'orphaned'),
    sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens),
    sum(coalesce(charged_nano_usd, 0)), count(*) FILTER (WHERE state <> 'released' AND charged_nano_usd IS NULL),
    sum(audio_input_tokens), sum(audio_output_tokens), sum(images), sum(audio_seconds), sum(characters),
    count(*) FILTER (WHERE took BETWEEN 0 AND 10), count(*) FILTER (WHERE took BETWEEN 11 AND 25),
    count(*) FILTER (WHERE took BETWEEN 26 AND 50), count(*) FILTER (WHERE took BETWEEN 51 AND 100),
    count(*) FILTER (WHERE took BETWEEN 101 AND 200), count(*) FILTER (WHERE took BETWEEN 201 AND 400),
    count(*) FILTER (WHERE took BETWEEN 401 AND 800), count(*) FILTER (WHERE took BETWEEN 801 AND 1500),
    count(*) FILTER (WHERE took BETWEEN 1501 AND 3000), count(*) FILTER (WHERE took BETWEEN 3001 AND 6000),
    count(*) FILTER (WHERE took BETWEEN 6001 AND 12000), count(*) FILTER (WHERE took BETWEEN 12001 AND 30000),
    count(*) FILTER (WHERE took BETWEEN 30001 AND 60000), count(*) FILTER (WHERE took > 60000),
    count(*) FILTER (WHERE waited BETWEEN 0 AND 10), count(*) FILTER (WHERE waited BETWEEN 11 AND 25),
    count(*) FILTER (WHERE waited BETWEEN 26 AND 50), count(*) FILTER (WHERE waited BETWEEN 51 AND 100),
    count(*) FILTER (WHERE waited BETWEEN 101 AND 200), count(*) FILTER (WHERE waited BETWEEN 201 AND 400),
    count(*) FILTER (WHERE waited BETWEEN 401 AND 800), count(*) FILTER (WHERE waited BETWEEN 801 AND 1500),
    count(*) FILTER (WHERE waited BETWEEN 1501 AND 3000), count(*) FILTER (WHERE waited BETWEEN 3001 AND 6000),
    count(*) FILTER (WHERE waited BETWEEN 6001 AND 12000), count(*) FILTER (WHERE waited BETWEEN 12001 AND 30000),
    count(*) FILTER (WHERE waited BETWEEN 30001 AND 60000), count(*) FILTER (WHERE waited > 60000),
    count(*) FILTER (WHERE status = 429), count(*) FILTER (WHERE status >= 500 OR state = 'orphaned'),
    coalesce(sum(took - coalesce(waited, 0)), 0)
  FROM (
    SELECT *, CASE state WHEN 'settled' THEN duration_ms END AS took,
      CASE state WHEN 'settled' THEN first_byte_ms END AS waited
    FROM closed) AS c
  GROUP BY rollup_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint
  ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
  ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE SET
    requests = usage_hour.requests + excluded.requests, errors = usage_hour.errors + excluded.errors,
    input_tokens = usage_hour.input_tokens + excluded.input_tokens,
    cached_input_tokens = usage_hour.cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = usage_hour.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = usage_hour.output_tokens + excluded.output_tokens,
    reasoning_tokens = usage_hour.reasoning_tokens + excluded.reasoning_tokens,
    cost_nano_usd = usage_hour.cost_nano_usd + excluded.cost_nano_usd,
    unpriced_requests = usage_hour.unpriced_requests + excluded.unpriced_requests,
    audio_input_tokens = usage_hour.audio_input_tokens + excluded.audio_input_tokens,
    audio_output_tokens = usage_hour.audio_output_tokens + excluded.audio_output_tokens,
    images = usage_hour.images + excluded.images,
    audio_seconds = usage_hour.audio_seconds + excluded.audio_seconds,
    characters = usage_hour.characters + excluded.characters,
    duration_0 = usage_hour.duration_0 + excluded.duration_0,
    duration_1 = usage_hour.duration_1 + excluded.duration_1,
    duration_2 = usage_hour.duration_2 + excluded.duration_2,
    duration_3 = usage_hour.duration_3 + excluded.duration_3,
    duration_4 = usage_hour.duration_4 + excluded.duration_4,
    duration_5 = usage_hour.duration_5 + excluded.duration_5,
    duration_6 = usage_hour.duration_6 + excluded.duration_6,
    duration_7 = usage_hour.duration_7 + excluded.duration_7,
    duration_8 = usage_hour.duration_8 + excluded.duration_8,
    duration_9 = usage_hour.duration_9 + excluded.duration_9,
    duration_10 = usage_hour.duration_10 + excluded.duration_10,
    duration_11 = usage_hour.duration_11 + excluded.duration_11,
    duration_12 = usage_hour.duration_12 + excluded.duration_12,
    duration_13 = usage_hour.duration_13 + excluded.duration_13,
    first_byte_0 = usage_hour.first_byte_0 + excluded.first_byte_0,
    first_byte_1 = usage_hour.first_byte_1 + excluded.first_byte_1,
    first_byte_2 = usage_hour.first_byte_2 + excluded.first_byte_2,
    first_byte_3 = usage_hour.first_byte_3 + excluded.first_byte_3,
    first_byte_4 = usage_hour.first_byte_4 + excluded.first_byte_4,
    first_byte_5 = usage_hour.first_byte_5 + excluded.first_byte_5,
    first_byte_6 = usage_hour.first_byte_6 + excluded.first_byte_6,
    first_byte_7 = usage_hour.first_byte_7 + excluded.first_byte_7,
    first_byte_8 = usage_hour.first_byte_8 + excluded.first_byte_8,
    first_byte_9 = usage_hour.first_byte_9 + excluded.first_byte_9,
    first_byte_10 = usage_hour.first_byte_10 + excluded.first_byte_10,
    first_byte_11 = usage_hour.first_byte_11 + excluded.first_byte_11,
    first_byte_12 = usage_hour.first_byte_12 + excluded.first_byte_12,
    first_byte_13 = usage_hour.first_byte_13 + excluded.first_byte_13,
    errors_429 = usage_hour.errors_429 + excluded.errors_429,
    errors_5xx = usage_hour.errors_5xx + excluded.errors_5xx,
    answering_ms = usage_hour.answering_ms + excluded.answering_ms
), minutes AS (
  INSERT INTO usage_minute (
    starts_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint, requests, errors,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd,
    unpriced_requests, audio_input_tokens, audio_output_tokens, images, audio_seconds, characters)
  SELECT
    created_at_ms - created_at_ms % 60000, organization_id, project_id, owner_id, key_id, model, upstream, endpoint,
    count(*) FILTER (WHERE state <> 'released'), count(*) FILTER (WHERE status >= 400 OR state = 'orphaned'),
    sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens),
    sum(coalesce(charged_nano_usd, 0)), count(*) FILTER (WHERE state <> 'released' AND charged_nano_usd IS NULL),
    sum(audio_input_tokens), sum(audio_output_tokens), sum(images), sum(audio_seconds), sum(characters)
  FROM closed
  GROUP BY created_at_ms - created_at_ms % 60000, organization_id, project_id, owner_id, key_id, model, upstream, endpoint
  ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
  ON CONFLICT ON CONSTRAINT usage_minute_pkey DO UPDATE SET
    requests = usage_minute.requests + excluded.requests, errors = usage_minute.errors + excluded.errors,
    input_tokens = usage_minute.input_tokens + excluded.input_tokens,
    cached_input_tokens = usage_minute.cached_input_tokens + excluded.cached_input_tokens,
    cache_write_tokens = usage_minute.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = usage_minute.output_tokens + excluded.output_tokens,
    reasoning_tokens = usage_minute.reasoning_tokens + excluded.reasoning_tokens,
    cost_nano_usd = usage_minute.cost_nano_usd + excluded.cost_nano_usd,
    unpriced_requests = usage_minute.unpriced_requests + excluded.unpriced_requests,
    audio_input_tokens = usage_minute.audio_input_tokens + excluded.audio_input_tokens,
    audio_output_tokens = usage_minute.audio_output_tokens + excluded.audio_output_tokens,
    images = usage_minute.images + excluded.images,
    audio_seconds = usage_minute.audio_seconds + excluded.audio_seconds,
    characters = usage_minute.characters + excluded.characters
)
UPDATE api_keys SET last_used_at_ms = $5
WHERE id IN (
  SELECT k.id FROM api_keys AS k
  WHERE k.id IN (SELECT jsonb_array_elements_text($2::jsonb))
    AND (k.last_used_at_ms IS NULL OR k.last_used_at_ms <= $5 - 60000)
  ORDER BY k.id FOR NO KEY UPDATE SKIP LOCKED);

-- insert_adjustments --
-- $1 [[call id, nano_usd, requests, tokens, tokens_estimate, images, audio_seconds, characters, reason]]  $2 now
INSERT INTO adjustments (call_id, nano_usd, requests, tokens, tokens_estimate, images, audio_seconds, characters,
  reason, at_ms)
SELECT w.value ->> 0, (w.value ->> 1)::bigint, (w.value ->> 2)::bigint, (w.value ->> 3)::bigint,
  (w.value ->> 4)::bigint, (w.value ->> 5)::bigint, (w.value ->> 6)::bigint, (w.value ->> 7)::bigint, w.value ->> 8, $2
FROM jsonb_array_elements($1::jsonb) AS w;

-- adjust_hours --
-- Takes what late settles gave back out of the rollup. $1 [call id]
UPDATE usage_hour SET cost_nano_usd = usage_hour.cost_nano_usd + a.nano_usd
FROM (
  SELECT c.rollup_at_ms AS starts_at_ms,
    c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
    sum(a.nano_usd) AS nano_usd
  FROM jsonb_array_elements_text($1::jsonb) AS w
  JOIN calls AS c ON c.id = w.value
  JOIN adjustments AS a ON a.call_id = c.id
  GROUP BY c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint) AS a
WHERE usage_hour.starts_at_ms = a.starts_at_ms
  AND usage_hour.organization_id = a.organization_id
  AND usage_hour.project_id = a.project_id
  AND usage_hour.owner_id = a.owner_id
  AND usage_hour.key_id = a.key_id
  AND usage_hour.model = a.model
  AND usage_hour.upstream = a.upstream
  AND usage_hour.endpoint = a.endpoint;

-- adjust_minutes --
-- Takes what late settles gave back out of the rollup. $1 [call id]
UPDATE usage_minute SET cost_nano_usd = usage_minute.cost_nano_usd + a.nano_usd
FROM (
  SELECT c.created_at_ms - c.created_at_ms % 60000 AS starts_at_ms,
    c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
    sum(a.nano_usd) AS nano_usd
  FROM jsonb_array_elements_text($1::jsonb) AS w
  JOIN calls AS c ON c.id = w.value
  JOIN adjustments AS a ON a.call_id = c.id
  GROUP BY c.created_at_ms - c.created_at_ms % 60000, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint) AS a
WHERE usage_minute.starts_at_ms = a.starts_at_ms
  AND usage_minute.organization_id = a.organization_id
  AND usage_minute.project_id = a.project_id
  AND usage_minute.owner_id = a.owner_id
  AND usage_minute.key_id = a.key_id
  AND usage_minute.model = a.model
  AND usage_minute.upstream = a.upstream
  AND usage_minute.endpoint = a.endpoint;
