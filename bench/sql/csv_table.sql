DROP TABLE IF EXISTS rows;
CREATE TABLE rows (
  id bigint, user_id bigint, event text, amount double precision, city text, ts timestamp, ok bigint,
  score double precision, ref text, note text, agent text, day date
);
CHECKPOINT;
