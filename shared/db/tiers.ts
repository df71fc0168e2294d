/** Where a tiered table takes rows: itself for open months, `…_late` for those that are closed. See migration 0022. */
import sql, { raw, type Sql } from 'sql-template-tag';
import { columnList, setExcluded } from './column-lists.ts';
import { dayOf } from './pack-sql.ts';
import type { ColumnTypes, TemporaryTable } from './temporary-table.ts';
import type { Transaction } from './transaction.ts';

/**
 * The start of the first month that a table takes rows of. Rows before it belong into its late rows. It stays until the
 * transaction ends.
 *
 * @param table  with its schema
 */
export async function closedUntil(tx: Transaction, table: string): Promise<Date> {
  const { rows } = await tx.query<{ closed_until: Date }>(
    'select closed_until from platform.tiers where name = $1 for share',
    [table],
  );
  return rows[0]!.closed_until;
}

/** The start of the first month that is not in files, or `-infinity`. */
async function archivedUntil(tx: Transaction, table: string): Promise<string> {
  const { rows } = await tx.query<{ archived: string }>(
    'select archived_until::text as archived from platform.tiers where name = $1',
    [table],
  );
  return rows[0]!.archived;
}

/** The table of rows of closed months. */
export function lateTableOf(table: string): string {
  return `${table}_late`;
}

/**
 * Adds staged rows to a tiered table and corrects stored rows that differ: rows of closed months among its late rows,
 * others in the table itself. Of staged rows with the same key the last one counts. Returns how many rows were written. Rows
 * in files are not looked at: a late row of an archived month replaces the archived one as a whole.
 *
 * @param table   with its schema
 * @param key     its key: the column of the series, and that of the time
 * @param staged  has the columns of the table
 * @param nulls   what a staged null does to a stored value: it replaces it, or leaves it
 */
export async function writeTiered<Columns extends ColumnTypes>(
  tx: Transaction,
  table: string,
  key: readonly [series: keyof Columns & string, time: keyof Columns & string],
  staged: TemporaryTable<Columns>,
  nulls: 'replace' | 'leave' = 'replace',
): Promise<number> {
  const closed = await closedUntil(tx, table);
  const archived = await archivedUntil(tx, table);
  const [series, time] = key.map((column) => raw(column));
  const values = staged.columnsExcept(...key);
  const given = raw(values.map((one) => (nulls === 'leave' ? `coalesce(s.${one}, p.${one})` : `s.${one}`)).join(', '));
  let written = 0;
  for (const [target, isLate, stored] of [
    [table, false, raw(table)],
    [lateTableOf(table), true, sql`(${storedOfDays(table, key, staged, closed, archived)})`],
  ] as const) {
    const { rowCount } = await tx.query(sql`
      insert into ${raw(target)} (${columnList([...key, ...values])})
      select s.${series}, s.${time}, ${given}
      from (
        select distinct on (${series}, ${time}) * from ${staged}
        where (${time} < ${closed}) = ${isLate} order by ${series}, ${time}, position desc
      ) as s left join ${stored} p on p.${series} = s.${series} and p.${time} = s.${time}
      where (${columnList(values, 'p')}) is distinct from (${given})
      order by s.${series}, s.${time}
      on conflict (${columnList(key)}) do update set ${setExcluded(values)}`);
    written += rowCount ?? 0;
  }
  return written;
}

/**
 * The rows of the series and days of staged late rows, from all tiers but files. Each pack is unpacked once. Packs of an
 * archived month, which are about to be dropped, may be older than its file.
 */
function storedOfDays(table: string, key: readonly string[], staged: Sql, closed: Date, archived: string): Sql {
  const [series, time] = key.map((column) => raw(column));
  return sql`
    select r.* from (
      select distinct ${series} as series, ${raw(dayOf(key[1]!))} as day from ${staged} s where ${time} < ${closed}
    ) as days, ${raw(`${table}_rows`)}(array[days.series], days.day, days.day + interval '24 hours', ${archived}::timestamptz) as r`;
}

/** The name of the session (`inSession`) in which the months of a table move from tier to tier, one run at a time. */
export function tiersSession(table: string): string {
  return `tiers of ${table}`;
}
