-- What a database of SQLite is made of, line by line, in words that both have: run by the tests that compare schemas.
WITH tables AS (SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'item_text%'),
     columns AS (SELECT t.name AS t, c.* FROM tables t, pragma_table_info(t.name) c),
     indexes AS (
       SELECT t.name AS t, i.name AS i, i.[unique] AS u, i.origin AS origin,
              (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY name)) AS columns
       FROM tables t, pragma_index_list(t.name) i)
SELECT 'table ' || name FROM tables
UNION SELECT 'column ' || t || '.' || name || ' ' || type
  || CASE WHEN [notnull] OR pk > 0 THEN ' not null' ELSE '' END
  || CASE WHEN dflt_value IS NULL THEN '' ELSE ' default' END FROM columns
UNION SELECT 'key ' || t || ' (' || group_concat(name) || ')'
  FROM (SELECT t, name FROM columns WHERE pk > 0 ORDER BY t, name) GROUP BY t
UNION SELECT 'reference ' || t.name || '.' || f.[from] || ' ' || f.[table] || '.' || f.[to] || ' ' || lower(f.on_delete)
  FROM tables t, pragma_foreign_key_list(t.name) f
UNION SELECT CASE WHEN u THEN 'unique ' ELSE 'index ' END || t || ' (' || coalesce(columns, 'an expression') || ')' FROM indexes WHERE origin <> 'pk'
