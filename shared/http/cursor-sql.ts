import sql, { join, type Sql } from 'sql-template-tag';

/** SQL for the cursor to a row, in the format of `encodeCursor`, from the list's id and the row's sort key as jsonb values. */
export function cursorSql(list: string, ...key: Sql[]): Sql {
  return sql`translate(replace(encode(convert_to(jsonb_build_array(${join([sql`${list}::text`, ...key])})::text, 'utf8'), 'base64'), E'\n', ''), '+/=', '-_')`;
}
