-- The ledger's statements on SQLite. Each takes a whole batch, or a good part of it, in one step, because every step
-- of the driver gives up Python's lock and has to wait for it again. The writer holds the only write lock
-- (BEGIN IMMEDIATE), so no row needs a lock of its own.

-- load --
-- All that a batch needs, as four JSON arrays.
-- ?1 [[key id, secret version]]  ?2 [[scope type, scope id]]  ?3 [[organization, window, period]]  ?4 [call id]
SELECT
  (SELECT json_group_array(json_array(s.key_id, s.version, s.ends_at_ms,
      coalesce(min(k.expires_at_ms, parent.expires_at_ms), k.expires_at_ms, parent.expires_at_ms),
      coalesce(k.disabled_at_ms, parent.disabled_at_ms), coalesce(k.revoked_at_ms, parent.revoked_at_ms), CASE k.kind
        WHEN 'service_account' THEN coalesce(a.deleted_at_ms, CASE WHEN a.id IS NULL THEN 0 END)
        ELSE coalesce(u.disabled_at_ms, m.removed_at_ms, CASE WHEN m.user_id IS NULL THEN 0 END) END,
      p.archived_at_ms, k.access_lost_at_ms))
   FROM json_each(?1) AS w
   JOIN key_secrets AS s ON s.key_id = w.value ->> 0 AND s.version = w.value ->> 1
   JOIN api_keys AS k ON k.id = s.key_id
   LEFT JOIN api_keys AS parent ON parent.id = k.parent_id
   LEFT JOIN projects AS p ON p.id = k.project_id
   LEFT JOIN users AS u ON u.id = k.owner_id
   LEFT JOIN memberships AS m ON m.user_id = k.owner_id AND m.organization_id = k.organization_id
   LEFT JOIN service_accounts AS a ON a.id = k.owner_id),
  (SELECT json_group_array(json_array(l.id, l.organization_id, l.scope_type, l.scope_id, l.unit, l.window, l.amount,
      l.model, l.refuse_when_short, p.id, p.ends_at_ms, p.settled, p.reserved, p.overrun, p.peak))
   FROM json_each(?2) AS w
   JOIN limits AS l ON l.scope_id = w.value ->> 1 AND l.scope_type = w.value ->> 0 AND l.deleted_at_ms IS NULL
   JOIN json_each(?3) AS s ON s.value ->> 0 = l.organization_id AND s.value ->> 1 = l.window
   LEFT JOIN limit_periods AS p ON p.limit_id = l.id AND p.period = s.value ->> 2),
  (SELECT json_group_array(json_array(c.id, c.state, c.reserved_nano_usd, c.reserved_tokens,
      c.reserved_tokens_estimate, c.period_ids, c.reserved_images, c.reserved_audio_seconds, c.reserved_characters,
      a.call_id IS NOT NULL, c.price_id IS NOT NULL))
   FROM json_each(?4) AS w
   JOIN calls AS c ON c.id = w.value
   LEFT JOIN adjustments AS a ON a.call_id = c.id),
  (SELECT json_group_array(json_array(l.id, l.organization_id, l.scope_type, l.scope_id, l.unit, l.window, l.amount,
      l.model, l.refuse_when_short, p.id, p.ends_at_ms, p.settled, p.reserved, p.overrun, p.peak))
   FROM (SELECT DISTINCT i.value AS id FROM json_each(?4) AS w
         JOIN calls AS c ON c.id = w.value, json_each(c.period_ids) AS i) AS n
   JOIN limit_periods AS p ON p.id = n.id
   JOIN limits AS l ON l.id = p.limit_id);

-- insert_periods --
-- The present period of each limit that has none yet. ?1 [[limit id, period, starts, ends]]
INSERT INTO limit_periods (limit_id, period, starts_at_ms, ends_at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING;

-- insert_calls --
-- The line of placeholders is there once for each call; a line of nothing but NULL is no call. Bound values take less
-- than half of the time of JSON's. First two: now, instance
INSERT INTO calls (created_at_ms, instance_id, state, id, request_id, attempt, organization_id, project_id, owner_type,
  owner_id, key_id, secret_version, model, upstream, endpoint, address, agent, price_id, rollup_at_ms, period_ids,
  reserved_nano_usd, reserved_tokens, reserved_tokens_estimate, reserved_images, reserved_audio_seconds,
  reserved_characters, output_tokens_max)
SELECT ?, ?, 'held', * FROM (VALUES
(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
) WHERE column1 IS NOT NULL;

-- close_calls --
-- The line of placeholders is there once for each call; a line of nothing but NULL is no call. First one: now
WITH closed (closed_at_ms, id, state, basis, charged_nano_usd, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
  reasoning_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens, images,
  audio_seconds, characters, tier, status, first_byte_ms, duration_ms, flags) AS (SELECT ?, * FROM (VALUES
(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
))
UPDATE calls SET state = closed.state, basis = closed.basis, charged_nano_usd = closed.charged_nano_usd,
  input_tokens = closed.input_tokens, cached_input_tokens = closed.cached_input_tokens,
  cache_write_tokens = closed.cache_write_tokens, output_tokens = closed.output_tokens,
  reasoning_tokens = closed.reasoning_tokens, audio_input_tokens = closed.audio_input_tokens,
  audio_output_tokens = closed.audio_output_tokens, image_input_tokens = closed.image_input_tokens,
  image_output_tokens = closed.image_output_tokens, images = closed.images, audio_seconds = closed.audio_seconds,
  characters = closed.characters, tier = closed.tier, status = closed.status, first_byte_ms = closed.first_byte_ms,
  duration_ms = closed.duration_ms, flags = closed.flags, closed_at_ms = closed.closed_at_ms
FROM closed WHERE calls.id = closed.id AND calls.state = 'held';

-- update_periods --
-- ?1 [[period id, settled, reserved, overrun, peak]]
UPDATE limit_periods SET settled = w.value ->> 1, reserved = w.value ->> 2, overrun = w.value ->> 3,
  peak = w.value ->> 4
FROM json_each(?1) AS w WHERE limit_periods.id = w.value ->> 0;

-- touch_keys --
-- Once a minute, because keys are ordered by it. ?1 [key id]  ?2 now
UPDATE api_keys SET last_used_at_ms = ?2
WHERE id IN (SELECT value FROM json_each(?1)) AND (last_used_at_ms IS NULL OR last_used_at_ms <= ?2 - 60000);

-- insert_adjustments --
-- ?1 [[call id, nano_usd, requests, tokens, tokens_estimate, images, audio_seconds, characters, reason]]  ?2 now
INSERT INTO adjustments (call_id, nano_usd, requests, tokens, tokens_estimate, images, audio_seconds, characters,
  reason, at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, ?2 FROM json_each(?1);

-- roll_up_hours --
-- Adds what a batch closed to the rollup, from the rows themselves. ?1 [call id]
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
  FROM calls WHERE id IN (SELECT value FROM json_each(?1))) AS closed
WHERE true
GROUP BY rollup_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint
ON CONFLICT DO UPDATE SET
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
  answering_ms = usage_hour.answering_ms + excluded.answering_ms;

-- roll_up_minutes --
-- Adds what a batch closed to the rollup, from the rows themselves. ?1 [call id]
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
FROM calls WHERE id IN (SELECT value FROM json_each(?1))
GROUP BY created_at_ms - created_at_ms % 60000, organization_id, project_id, owner_id, key_id, model, upstream, endpoint
ON CONFLICT DO UPDATE SET
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
  characters = usage_minute.characters + excluded.characters;

-- adjust_hours --
-- Takes what late settles gave back out of the rollup. ?1 [call id]
UPDATE usage_hour SET cost_nano_usd = usage_hour.cost_nano_usd + a.nano_usd
FROM (
  SELECT c.rollup_at_ms AS starts_at_ms,
    c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
    sum(a.nano_usd) AS nano_usd
  FROM json_each(?1) AS w JOIN calls AS c ON c.id = w.value JOIN adjustments AS a ON a.call_id = c.id
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
-- Takes what late settles gave back out of the rollup. ?1 [call id]
UPDATE usage_minute SET cost_nano_usd = usage_minute.cost_nano_usd + a.nano_usd
FROM (
  SELECT c.created_at_ms - c.created_at_ms % 60000 AS starts_at_ms,
    c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint,
    sum(a.nano_usd) AS nano_usd
  FROM json_each(?1) AS w JOIN calls AS c ON c.id = w.value JOIN adjustments AS a ON a.call_id = c.id
  GROUP BY c.created_at_ms - c.created_at_ms % 60000, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint) AS a
WHERE usage_minute.starts_at_ms = a.starts_at_ms
  AND usage_minute.organization_id = a.organization_id
  AND usage_minute.project_id = a.project_id
  AND usage_minute.owner_id = a.owner_id
  AND usage_minute.key_id = a.key_id
  AND usage_minute.model = a.model
  AND usage_minute.upstream = a.upstream
  AND usage_minute.endpoint = a.endpoint;
