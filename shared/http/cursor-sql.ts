import sql, { join, type Sql } from 'sql-template-tag';

/** SQL for the cursor to a row, in the format of `encodeCursor`, from the row's sort key as jsonb values. */
export function cursorSql(...key: Sql[]): Sql {
  return sql`translate(replace(encode(convert_to(jsonb_build_array(${join(key)})::text, 'utf8'), 'base64'), E'\n', ''), '+/=', '-_')`;
}
