-- A key is looked for by the first eight bytes of SHA-256(user_id, LF, key): see store/idempotency.rs.
ALTER TABLE idempotency_keys ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;
UPDATE idempotency_keys SET digest =
  ('x' || left(encode(sha256(convert_to(user_id || chr(10) || key, 'UTF8')), 'hex'), 16))::bit(64)::bigint;
ALTER TABLE idempotency_keys ALTER COLUMN digest DROP DEFAULT;
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;
ALTER TABLE idempotency_keys ADD PRIMARY KEY (digest, turn);
