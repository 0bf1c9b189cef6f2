-- Follows a folder of logs until it is stopped (Ctrl-C): appended lines, new files and rotated ones, each once. A line
-- that does not fit goes to the dead letters with its reason and place, and the others go on.
CREATE STREAM problems
WITH (epoch_age := '1s', dead_letters := file('lake/problems-dead/'))
AS
SELECT logged_at, level, message, ms
FROM file('examples/data/app-logs/', watch := true, format := 'json', columns := 'logged_at TIMESTAMPTZ, level VARCHAR, message VARCHAR, ms INTEGER')
WHERE level <> 'info'
INSERT INTO file('lake/problems/', format := 'parquet', rotate_age := '1h');
