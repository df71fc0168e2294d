/** SQL over lists of columns, which are the code's own names, so that a list is written once. */

/** Whether two rows differ in any of the columns: `(a.x, a.y) is distinct from (b.x, b.y)`. */
export function differ(columns: readonly string[], a: string, b: string): string {
  const of = (row: string) => columns.map((column) => `${row}.${column}`).join(', ');
  return `(${of(a)}) is distinct from (${of(b)})`;
}

/** What ON CONFLICT sets the columns to: `x = excluded.x, y = excluded.y`. */
export function setExcluded(columns: readonly string[]): string {
  return columns.map((column) => `${column} = excluded.${column}`).join(', ');
}
