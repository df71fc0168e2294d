import sql, { join, type Sql } from 'sql-template-tag';

/** The cursor to a row, as `encodeCursor` makes it, from its sort key as jsonb values: the answer is built in SQL. */
export function cursorSql(...key: Sql[]): Sql {
  return sql`translate(replace(encode(convert_to(jsonb_build_array(${join(key)})::text, 'utf8'), 'base64'), E'\n', ''), '+/=', '-_')`;
}
