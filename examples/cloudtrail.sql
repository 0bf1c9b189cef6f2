-- CloudTrail wraps its rows in one document per file; records_path takes them out. What was denied lands as CSV.
CREATE TABLE denied AS
SELECT eventTime AS at, userIdentity.userName AS who, eventName AS what, requestParameters.bucketName AS bucket, sourceIPAddress AS address
FROM file('examples/data/cloudtrail/*.json.gz', records_path := 'Records')
WHERE errorCode = 'AccessDenied'
INSERT INTO file('lake/denied/', format := 'csv');

SELECT userIdentity.userName AS who, count(*) AS events, count(errorCode) AS denied
FROM file('examples/data/cloudtrail/*.json.gz', records_path := 'Records')
GROUP BY ALL
ORDER BY who;
