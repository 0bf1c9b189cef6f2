-- comment
CREATE OR REPLACE STREAM "s" WITH (epoch := 10s, dead_letters := file('bad/')) AS
  SELECT o.id, ';' AS x, $$a$$, E'\'' /* ; */ FROM file('in/${A}*.json', tags := ['a', 'b''c']) o
  INSERT INTO s3('b/$${k}', codec => zstd, part := 64MB, rdkafka.linger.ms := -5);
SELECT ${B}, [1, {2: (3)}];
INSERT INTO file('x') WITH (a := 1) WITH t AS (SELECT 1) SELECT * FROM t
