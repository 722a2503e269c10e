-- What a database of PostgreSQL is made of, line by line, in words that both have: run by the tests that compare schemas. The parts
-- of a table stand under its name: what one of them has by itself, the table seems to have.
WITH tables AS (SELECT oid, coalesce((SELECT whole.relname FROM pg_inherits JOIN pg_class whole ON whole.oid = inhparent
         WHERE inhrelid = one.oid), relname) AS relname
       FROM pg_class one WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
       AND relname <> 'item_text'),
     columns AS (SELECT t.relname AS t, t.oid, a.* FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
       WHERE a.attnum > 0 AND NOT a.attisdropped),
     indexes AS (
       SELECT t.relname AS t, i.indisprimary, i.indisunique,
              (SELECT string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C") FROM pg_attribute a
               WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey)) AS columns
       FROM tables t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT i.indisexclusion)
SELECT 'table ' || relname FROM tables
UNION SELECT 'column ' || t || '.' || attname || ' ' || CASE format_type(atttypid, NULL)
    WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB'
    WHEN 'text' THEN CASE (SELECT collname FROM pg_collation WHERE oid = attcollation) WHEN 'C' THEN 'TEXT' ELSE 'text in another order' END
    ELSE format_type(atttypid, NULL) END
  || CASE WHEN attnotnull THEN ' not null' ELSE '' END || CASE WHEN atthasdef THEN ' default' ELSE '' END FROM columns
UNION SELECT 'key ' || t || ' (' || columns || ')' FROM indexes WHERE indisprimary
UNION SELECT 'reference ' || t.relname || '.' || a.attname || ' ' || f.relname || '.' || b.attname || ' '
  || CASE c.confdeltype WHEN 'c' THEN 'cascade' WHEN 'a' THEN 'no action' ELSE c.confdeltype::text END
  FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' JOIN pg_class f ON f.oid = c.confrelid
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
  JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = c.confkey[1]
UNION SELECT CASE WHEN indisunique THEN 'unique ' ELSE 'index ' END || t || ' (' || coalesce(columns, 'an expression') || ')' FROM indexes WHERE NOT indisprimary
