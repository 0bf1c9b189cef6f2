-- CSV and Parquet into tables, which are made after the rows; run again, only new files are delivered.
--   sluice run examples/files_into_postgresql.sql --var SHOP=app:secret@db:5432/shop
CREATE TABLE customers_in AS
SELECT * FROM file('examples/data/customers.csv')
INSERT INTO postgresql('${SHOP}?table=customers', key := 'id');

INSERT INTO file('lake/customers/', format := 'parquet') SELECT * FROM file('examples/data/customers.csv');

CREATE TABLE customers_from_parquet AS
SELECT id, upper(name) AS name FROM file('lake/customers/*.parquet')
INSERT INTO postgresql('${SHOP}?table=customer_names', key := 'id');
