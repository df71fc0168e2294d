/**
 * SQL for column lists, so that statements need not repeat them. Column names must come from the code, not from input.
 */
import { raw, type Sql } from 'sql-template-tag';

/** `x, y`, or `row.x, row.y`. */
export function columnList(columns: readonly string[], row?: string): Sql {
  return raw(columns.map((column) => (row === undefined ? column : `${row}.${column}`)).join(', '));
}

/** Whether two rows differ in any of the columns: `(a.x, a.y) is distinct from (b.x, b.y)`. */
export function differ(columns: readonly string[], a: string, b: string): Sql {
  return raw(`(${columnList(columns, a).sql}) is distinct from (${columnList(columns, b).sql})`);
}

/** The assignments of ON CONFLICT DO UPDATE: `x = excluded.x, y = excluded.y`. */
export function setExcluded(columns: readonly string[]): Sql {
  return raw(columns.map((column) => `${column} = excluded.${column}`).join(', '));
}
