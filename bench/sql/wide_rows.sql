-- A table of :rows rows and twelve columns of mixed types, about 195 bytes a row as text.
CREATE TABLE wide_rows (
  id bigint PRIMARY KEY, quantity int NOT NULL, price numeric(12,2) NOT NULL, customer text NOT NULL,
  placed timestamptz NOT NULL, reference uuid NOT NULL, paid boolean NOT NULL, details jsonb NOT NULL,
  score double precision NOT NULL, due date NOT NULL, note text, code varchar(16) NOT NULL
);
INSERT INTO wide_rows
SELECT i, (i * 7919) % 10000, ((i * 104729) % 100000000) / 100.0, 'customer number ' || i % 50000,
       timestamptz '2025-01-01 00:00:00+00' + i * interval '1.234 seconds', md5(i::text)::uuid, i % 3 = 0,
       jsonb_build_object('kind', i % 1000, 'tag', 't' || i % 97, 'gift', i % 2 = 0),
       (i * 0.6180339887498949) % 1, date '2020-01-01' + (i % 2000)::int,
       CASE WHEN i % 5 <> 0 THEN 'note ' || i % 777 END, 'C' || lpad((i % 100000)::text, 8, '0')
FROM generate_series(1::bigint, :rows) AS i;
VACUUM (FREEZE, ANALYZE) wide_rows;
CHECKPOINT;
