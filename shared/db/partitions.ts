import type { PartitionedTable, Partitions } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { withLockRetries } from './lock-retries.ts';
import { boundsOf } from './partition-bounds.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** A half-open period of time: [from, to). */
export interface Period {
  /** `20261121` or `202611`. */
  label: string;
  from: Date;
  to: Date;
}

/** The wait for other runs, which keeps nobody else waiting. */
const turnTimeout = '30s';
/** ATTACH also locks the tables that foreign keys refer to, and those who write to them wait behind it. */
const attachTimeout = '200ms';

/**
 * Creates the missing partitions that tables declare: from the current period on, or from the first month that a tiered
 * table takes rows of. Returns their names. It waits for no writer to the table. Writers to a table that it refers to wait
 * for 200 ms at most. A table that fails does not keep the others from theirs.
 *
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export function createPartitions(tables: readonly PartitionedTable[], now: Date): Promise<string[]> {
  return forEachTable(tables, (table) => createAhead(table, now));
}

/** Collects what `work` returns for each table, and throws its first error once every table had its turn. */
export async function forEachTable<T>(
  tables: readonly PartitionedTable[],
  work: (table: PartitionedTable) => Promise<T[]>,
): Promise<T[]> {
  const results: T[] = [];
  const errors: unknown[] = [];
  for (const table of tables)
    try {
      results.push(...(await work(table)));
    } catch (error) {
      log.error('partitions not maintained', { table: `${table.schema}.${table.name}`, error });
      errors.push(error);
    }
  if (errors.length > 0) throw errors[0];
  return results;
}

/** The period that is `offset` periods after the one that contains `now`. */
export function periodAt(by: Partitions['by'], now: Date, offset: number): Period {
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  const start = (n: number) => new Date(by === 'day' ? Date.UTC(year, month, day + n) : Date.UTC(year, month + n));
  const from = start(offset);
  const label = from
    .toISOString()
    .slice(0, by === 'day' ? 10 : 7)
    .replaceAll('-', '');
  return { label, from, to: start(offset + 1) };
}

/** The periods that a table should have partitions of, in order. */
export async function declaredPeriods(tx: Transaction, table: PartitionedTable, now: Date): Promise<Period[]> {
  const { by, ahead } = table.partitions;
  const { rows } = await tx.query<{ closed_until: Date }>('select closed_until from platform.tiers where name = $1', [
    qualified(table),
  ]);
  const first = Math.min(now.getTime(), rows[0]?.closed_until.getTime() ?? Number.POSITIVE_INFINITY);
  const last = periodAt(by, now, ahead);
  const periods: Period[] = [];
  for (let offset = 0; periods.at(-1)?.label !== last.label; offset++)
    periods.push(periodAt(by, new Date(first), offset));
  return periods;
}

async function createAhead(table: PartitionedTable, now: Date): Promise<string[]> {
  const created: string[] = [];
  for (const period of await inTransaction((tx) => declaredPeriods(tx, table, now)))
    if (await createPartition(table, period)) created.push(partitionOf(table, period));
  if (created.length > 0) log.info('partitions created', { created });
  return created;
}

/**
 * Creates and attaches the partition of a period. False if there is one that has any of its times.
 *
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export function createPartition(table: PartitionedTable, period: Period): Promise<boolean> {
  return withLockRetries(() => inTransaction((tx) => attachNew(tx, table, period)));
}

/** CREATE TABLE … PARTITION OF would be shorter, but its lock on the table queues all writers behind the oldest transaction. */
async function attachNew(tx: Transaction, table: PartitionedTable, period: Period): Promise<boolean> {
  const parent = qualified(table);
  const partition = partitionOf(table, period);
  const { column, hash, storage } = table.partitions;
  await tx.query(`set local lock_timeout = '${turnTimeout}'`);
  // One run at a time, by the lock that ATTACH needs anyway. LOCK waits without a snapshot; with one, a run that finalizes
  // a detach would wait for this one.
  await tx.query(`lock table only ${parent} in share update exclusive mode`);
  if (await hasPartitionWithin(tx, parent, period)) return false;
  const [start, end] = [period.from, period.to].map((time) => `'${time.toISOString()}'`) as [string, string];
  const options = storage === undefined ? '' : `with (${storage})`;
  await tx.query(`create table if not exists ${partition}
    (like ${parent} including defaults including generated including constraints including storage including indexes)
    ${hash ? `partition by hash (${hash.column})` : options}`);
  for (let part = 0; part < (hash?.count ?? 0); part++)
    await tx.query(`create table if not exists ${partition}_${part} partition of ${partition}
      for values with (modulus ${hash!.count}, remainder ${part}) ${options}`);
  // a matching CHECK spares ATTACH its scan, which would hold the lock
  await tx.query(`alter table ${partition} drop constraint if exists within,
    add constraint within check (${column} >= ${start} and ${column} < ${end})`);
  await tx.query(`set local lock_timeout = '${attachTimeout}'`);
  await tx.query(`alter table ${parent} attach partition ${partition} for values from (${start}) to (${end})`);
  await tx.query(`alter table ${partition} drop constraint within`);
  return true;
}

async function hasPartitionWithin(tx: Transaction, parent: string, { from, to }: Period): Promise<boolean> {
  const { rowCount } = await tx.query(`select from (${boundsOf}) as p where p.since < $3 and p.until > $2 limit 1`, [
    parent,
    from,
    to,
  ]);
  return rowCount !== 0;
}

function partitionOf(table: PartitionedTable, { label }: Period): string {
  return `${qualified(table)}_${label}`;
}

function qualified({ schema, name }: PartitionedTable): string {
  return `${schema}.${name}`;
}
