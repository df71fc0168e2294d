import { Integrity } from '../kernel/errors.ts';
import type { TieredTable } from '../kernel/table.ts';
import { dayOf, fingerprint, packedTableOf, packStatement } from './pack-sql.ts';
import { createPartition, periodAt } from './partitions.ts';
import { type ValueColumn, valueColumns } from './tiered-columns.ts';
import { lateTableOf } from './tiers.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** A key of a late row: its series and its time, as text. */
export type LateKey = readonly [series: string, time: string];

/** One round merges at most this many late rows into at most this many packs. */
const limits = { rows: 20_000, packs: 1_000 };
const lockTimeout = '10s';

/**
 * Merges the next late rows, in the order of their keys, into the packs of their days. A late row replaces a packed one
 * with its key. Returns the last key, from which the next round goes on, and how many rows were merged; or undefined if
 * none was left.
 *
 * Rows that are written meanwhile are left to a later round, and so are those of months that are not packed yet. Those of
 * months in the archive, or on the way there, are left to it: the caller holds the table's session, as the archive does.
 *
 * @throws Integrity    the packs would not hold the rows: nothing changes
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export async function mergeLateRows(
  table: TieredTable,
  after?: LateKey,
): Promise<{ last: LateKey; merged: number } | undefined> {
  const round = await inTransaction((tx) => planRound(tx, table, after));
  if (!round) return undefined;
  for (const month of round.months) await createPackPartition(table, month);
  const merged = await inTransaction((tx) => merge(tx, table, round));
  return { last: round.last, merged };
}

/** Creates the partition for the packs of the month that begins at a time, if there is none. */
export function createPackPartition({ schema, name }: TieredTable, month: Date): Promise<boolean> {
  const packs = { schema, name: `${name}_packed`, partitions: { by: 'month', column: 'day', ahead: 0 } as const };
  return createPartition(packs, periodAt('month', month, 0));
}

interface Round {
  after: LateKey | undefined;
  last: LateKey;
  /** The starts of the months whose rows are merged. */
  months: Date[];
}

async function planRound(tx: Transaction, table: TieredTable, after: LateKey | undefined): Promise<Round | undefined> {
  const { column, tiers } = table;
  const { rows } = await tx.query<{ series: string; time: string; months: Date[] }>(
    `with next as (
       select ${tiers.series} as series, ${column} as time, ${monthOf(column)} as month
       from ${lateTableOf(nameOf(table))} where ${isDue(table)} ${after ? isAfter(table) : ''}
       order by 1, 2 limit ${limits.rows}
     ),
     numbered as (select *, dense_rank() over (order by series, ${dayOf('time')}) as pack from next)
     select series::text, time::text, array(select distinct month from numbered where pack <= ${limits.packs} order by 1) as months
     from numbered where pack <= ${limits.packs} order by numbered.series desc, numbered.time desc limit 1`,
    [nameOf(table), ...(after ?? [])],
  );
  if (rows.length === 0) return undefined;
  const [{ series, time, months }] = rows as [(typeof rows)[0]];
  return { after, last: [series, time], months };
}

async function merge(tx: Transaction, table: TieredTable, { after, last, months }: Round): Promise<number> {
  const { column, tiers } = table;
  const name = nameOf(table);
  const key = `${tiers.series}, ${column}`;
  await tx.query(`set local lock_timeout = '${lockTimeout}'; set local platform.moves_tiers = 'on'`);
  await tx.query(`create temporary table merged_rows (like ${name}) on commit drop`);
  // locked rows are being written: what is merged is what is deleted
  const { rowCount } = await tx.query(
    `with taken as (
       delete from ${lateTableOf(name)} l using (
         select ${key} from ${lateTableOf(name)}
         where ${isDue(table)} and (${key}) <= ($2, $3::timestamptz) and ${monthOf(column)} = any($4)
           ${after ? isAfter(table, 5) : ''}
         order by 1, 2 for update skip locked
       ) as due
       where (l.${tiers.series}, l.${column}) = (due.${tiers.series}, due.${column}) returning l.*
     )
     insert into merged_rows select * from taken`,
    [name, ...last, months, ...(after ?? [])],
  );
  if (!rowCount) return 0;
  // without statistics, each packed row would be compared with each late one
  await tx.query('analyze merged_rows');
  await tx.query(`insert into merged_rows select p.* from (${packsOf(table)}) as p
    where not exists (select from merged_rows m where (m.${tiers.series}, m.${column}) = (p.${tiers.series}, p.${column}))`);
  const columns = await valueColumns(tx, table);
  await tx.query(packStatement(table, columns, 'merged_rows'));
  await verify(tx, table, columns);
  return rowCount;
}

/** Compares what the changed packs hold with what they should. */
async function verify(tx: Transaction, table: TieredTable, columns: readonly ValueColumn[]): Promise<void> {
  const expected = await fingerprint(tx, table, columns, 'merged_rows');
  const found = await fingerprint(tx, table, columns, `(${packsOf(table)})`);
  if (expected.rows !== found.rows || expected.hash !== found.hash)
    throw new Integrity(`Packs of ${packedTableOf(table)} do not hold the rows merged into them.`, {
      details: { expected, found },
    });
}

/** SQL for the rows in the packs of the days of `merged_rows`. */
function packsOf(table: TieredTable): string {
  const { series } = table.tiers;
  return `select p.* from (select distinct ${series} as series, ${dayOf(table.column)} as day from merged_rows) as changed,
    ${nameOf(table)}_unpacked(array[changed.series], changed.day, changed.day + interval '1 day') as p`;
}

/** Whether the packs of a late row may change: of a month that is packed, and neither archived nor on the way there. */
function isDue({ column }: TieredTable): string {
  return `${column} >= (select archived_until from platform.tiers where name = $1)
    and ${column} < (select packed_until from platform.tiers where name = $1)
    and ${monthOf(column)} <> all(
      array(select month::timestamp at time zone 'UTC' from platform.archives where name = $1 and state not in ('dropped', 'restored', 'expired')))`;
}

function isAfter({ column, tiers }: TieredTable, parameter = 2): string {
  return `and (${tiers.series}, ${column}) > ($${parameter}, $${parameter + 1}::timestamptz)`;
}

function monthOf(time: string): string {
  return `date_trunc('month', ${time}, 'UTC')`;
}

function nameOf({ schema, name }: TieredTable): string {
  return `${schema}.${name}`;
}
