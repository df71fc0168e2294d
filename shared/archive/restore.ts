/** Brings an archived month back into Postgres. */
import { inSession } from '../db/session.ts';
import { tiersSession } from '../db/tiers.ts';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { Busy, Conflict, Integrity, NotFound } from '../kernel/errors.ts';
import type { TieredTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import type { MonthFile } from './catalog.ts';
import { fileChunks } from './delete-late-rows.ts';
import { type Month, nameOf } from './export.ts';
import { monthOf, moveTo, setState, stateOf } from './state.ts';
import { verifyFile } from './verify.ts';

/**
 * Writes the rows of an archived month among the late rows of its table, in the transaction from which on readers no longer
 * use its file, and returns how many. If no later month is in files, `archived_until` moves back, and the month can be
 * packed like any other. The file stays. Of a month that is restored already, only `heldUntil` changes: its rows in Postgres
 * may be newer than the file.
 *
 * @param day        the month's first day: `2020-11-01`
 * @param heldUntil  before this, the month is not archived again
 * @throws NotFound   the month is not in files
 * @throws Conflict   it is on its way there: run the archive first
 * @throws Busy       another run moves months of the table (retryable)
 * @throws Integrity  the file is not what was verified
 */
export async function restoreMonth(table: TieredTable, day: string, heldUntil: Date): Promise<number> {
  const timeouts = { lockMs: 20_000, statementMs: 0 };
  const rows = await inSession(tiersSession(nameOf(table)), timeouts, () => restore(table, monthOf(day), heldUntil));
  if (rows === undefined) throw new Busy('Months of this table are being moved. Retry when that has ended.', 60);
  return rows;
}

async function restore(table: TieredTable, month: Month, heldUntil: Date): Promise<number> {
  const name = nameOf(table);
  const current = await inTransaction((tx) => stateOf(tx, name, month));
  if (!current?.file || current.state === 'expired')
    throw new NotFound(`${name} has no archived month ${month.day.slice(0, 7)}.`);
  if (!['dropped', 'restored'].includes(current.state) || current.next)
    throw new Conflict(`${month.day.slice(0, 7)} is ${current.state}. Wait until the archive has finished it.`);
  if (current.state === 'restored') {
    await moveTo(name, month, 'restored', 'held_until = $4', [heldUntil]);
    return 0;
  }
  const problem = await verifyFile(current.file);
  if (problem !== undefined) throw new Integrity(`The file of the month is not what was verified: ${problem}.`);
  const restored = await inTransaction((tx) => insertRows(tx, table, month, current.file!, heldUntil));
  log.info('month restored', { table: name, month: month.day, rows: restored });
  return restored;
}

async function insertRows(
  tx: Transaction,
  table: TieredTable,
  month: Month,
  file: MonthFile,
  heldUntil: Date,
): Promise<number> {
  const name = nameOf(table);
  await tx.query(`set local platform.moves_tiers = 'on'`);
  let restored = 0;
  for await (const rows of fileChunks(file)) {
    // a late row that came since is newer
    const { rowCount } = await tx.query(
      `insert into ${name}_late select f.* from unnest($1::${name}[]) as f
       on conflict (${table.tiers.series}, ${table.column}) do nothing`,
      [rows],
    );
    restored += rowCount ?? 0;
  }
  await assertComplete(tx, table, month, file);
  await setState(tx, name, month, 'restored', 'held_until = $4', [heldUntil]);
  await tx.query(
    `update platform.tiers set archived_until = least(archived_until, coalesce(
       (select max(month) + interval '1 month' from platform.archives
        where name = $1 and key is not null and state not in ('restored', 'expired')) at time zone 'UTC', '-infinity'))
     where name = $1`,
    [name],
  );
  return restored;
}

/** @throws Integrity  rows are missing */
async function assertComplete(
  tx: Transaction,
  table: TieredTable,
  { from, to }: Month,
  file: MonthFile,
): Promise<void> {
  const { rows } = await tx.query<{ rows: number }>(
    `select count(*)::float8 as rows from ${nameOf(table)}_late where ${table.column} >= $1 and ${table.column} < $2`,
    [from, to],
  );
  if (rows[0]!.rows < file.manifest.rows) throw new Integrity('The restored month has fewer rows than its file.');
}
