-- What the auditor asks of the rows. It only reads, and trusts no counter.

-- totals --
SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM calls WHERE state = 'held'),
  (SELECT count(*) FROM limit_periods), (SELECT count(*) FROM usage_hour), (SELECT count(*) FROM adjustments);

-- periods --
-- I2: each period's counters against its calls and adjustments, and against what was pruned of them; I1: what it
-- admitted against its highest amount.
WITH counted AS (
  SELECT i.value AS period_id, c.state, c.reserved_nano_usd, c.reserved_tokens, c.reserved_tokens_estimate,
    c.reserved_images, c.reserved_audio_seconds, c.reserved_characters,
    coalesce(c.charged_nano_usd, 0) AS charged_nano_usd, c.input_tokens + c.output_tokens AS tokens, c.images,
    c.audio_seconds, c.characters, coalesce(a.nano_usd, 0) AS given_nano_usd, coalesce(a.requests, 0) AS given_requests,
    coalesce(a.tokens, 0) AS given_tokens, coalesce(a.tokens_estimate, 0) AS given_tokens_estimate,
    coalesce(a.images, 0) AS given_images, coalesce(a.audio_seconds, 0) AS given_audio_seconds,
    coalesce(a.characters, 0) AS given_characters
  FROM calls AS c
  JOIN json_each(c.period_ids) AS i
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
), expected AS (
  SELECT period_id, sum(CASE WHEN state = 'held' THEN reserved ELSE 0 END) AS reserved,
    sum(CASE state WHEN 'settled' THEN charged WHEN 'orphaned' THEN reserved + given ELSE 0 END) AS settled
  FROM amounts GROUP BY period_id
)
SELECT p.id, p.limit_id, p.period, l.unit, p.settled, p.pruned + coalesce(e.settled, 0), p.reserved,
  coalesce(e.reserved, 0), p.overrun, p.peak
FROM limit_periods AS p
JOIN limits AS l ON l.id = p.limit_id
LEFT JOIN expected AS e ON e.period_id = p.id
WHERE p.settled <> p.pruned + coalesce(e.settled, 0) OR p.reserved <> coalesce(e.reserved, 0)
  OR p.settled + p.reserved > p.peak + p.overrun OR p.overrun < 0 OR p.reserved < 0 OR p.settled < 0
ORDER BY p.id LIMIT 1000;

-- rollups --
-- Each hour's row against its calls, in both directions, after the last slot of which calls were pruned.
WITH expected AS (
  SELECT c.rollup_at_ms AS starts_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream,
    c.endpoint, count(*) FILTER (WHERE c.state <> 'released') AS requests, sum(c.input_tokens) AS input_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(coalesce(c.charged_nano_usd, 0) + coalesce(a.nano_usd, 0)) AS cost_nano_usd
  FROM calls AS c LEFT JOIN adjustments AS a ON a.call_id = c.id
  WHERE c.state <> 'held'
  GROUP BY c.rollup_at_ms, c.organization_id, c.project_id, c.owner_id, c.key_id, c.model, c.upstream, c.endpoint
)
SELECT coalesce(e.starts_at_ms, u.starts_at_ms), coalesce(e.key_id, u.key_id), coalesce(e.model, u.model),
  u.requests, e.requests, u.input_tokens, e.input_tokens, u.output_tokens, e.output_tokens, u.cost_nano_usd,
  e.cost_nano_usd
FROM expected AS e
FULL JOIN usage_hour AS u ON u.starts_at_ms = e.starts_at_ms AND u.organization_id = e.organization_id
  AND u.project_id = e.project_id AND u.owner_id = e.owner_id AND u.key_id = e.key_id AND u.model = e.model
  AND u.upstream = e.upstream AND u.endpoint = e.endpoint
WHERE coalesce(e.starts_at_ms, u.starts_at_ms) > coalesce((SELECT max(last_slot_ms) FROM pruned_calls), 0)
  AND (u.requests IS NOT e.requests OR u.input_tokens IS NOT e.input_tokens
    OR u.output_tokens IS NOT e.output_tokens OR u.cost_nano_usd IS NOT e.cost_nano_usd)
ORDER BY 1 LIMIT 1000;

-- strays --
-- Held calls that point at a period which is not there, and calls that closed without saying how. (A minute's
-- period is not kept for long; a closed call may outlive it.)
SELECT c.id, c.state FROM calls AS c
WHERE (c.state = 'held' AND EXISTS (
    SELECT 1 FROM json_each(c.period_ids) AS i WHERE NOT EXISTS (SELECT 1 FROM limit_periods AS p WHERE p.id = i.value)))
  OR (c.state IN ('settled', 'orphaned') AND (c.basis IS NULL OR c.closed_at_ms IS NULL))
  OR (c.state = 'released' AND c.charged_nano_usd <> 0)
ORDER BY c.id LIMIT 1000;
