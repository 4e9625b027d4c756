-- Fills a database of SQLite, beside one organization, project and user: :keys API keys, :calls settled calls.
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :keys)
INSERT INTO api_keys (id, kind, organization_id, project_id, owner_id, name, permissions, created_at_ms, created_by)
SELECT printf('key_%010d', n), 'user', o.id, p.id, u.id, 'key ' || n, '"all"', o.created_at_ms, u.id
FROM number, organizations AS o, projects AS p, users AS u;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :keys)
INSERT INTO key_secrets (key_id, version, digest, pepper_version, last_four, created_at_ms, created_by)
SELECT printf('key_%010d', n), 1, randomblob(32), 1, 'abcd', o.created_at_ms, u.id
FROM number, organizations AS o, users AS u;

-- Their ids sort before every new one; a call every quarter of a second, until the organization was made.
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :calls)
INSERT INTO calls (id, request_id, attempt, organization_id, project_id, owner_id, key_id, secret_version, instance_id,
  model, upstream, endpoint, address, agent, price_id, created_at_ms, rollup_at_ms, period_ids, reserved_nano_usd,
  reserved_tokens, reserved_tokens_estimate, state, basis, charged_nano_usd, input_tokens, output_tokens, status,
  first_byte_ms, duration_ms, closed_at_ms)
SELECT printf('call_0%021d', n), printf('req_%022d', n), 1, o.id, p.id, u.id, printf('key_%010d', 1 + n % :keys), 1, 0,
  'bench-plain', 'plain', '/v1/chat/completions', '192.0.2.1', 'bench', 1, o.created_at_ms - (:calls - n) * 250,
  (o.created_at_ms - (:calls - n) * 250) / 3600000 * 3600000, '[]', 500000, 600, 100, 'settled', 'upstream', 52000, 12,
  20, 200, 40, 900, o.created_at_ms - (:calls - n) * 250 + 900
FROM number, organizations AS o, projects AS p, users AS u
WHERE n <= :calls;

INSERT INTO usage_hour (starts_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint, requests,
  input_tokens, output_tokens, cost_nano_usd)
SELECT rollup_at_ms, organization_id, project_id, owner_id, key_id, model, upstream, endpoint, count(*),
  sum(input_tokens), sum(output_tokens), sum(charged_nano_usd)
FROM calls
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
