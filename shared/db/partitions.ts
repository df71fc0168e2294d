import type { PartitionedTable, Partitions } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** A half-open period of time: [from, to). */
export interface Period {
  /** `20261121` or `202611`. */
  label: string;
  from: Date;
  to: Date;
}

const lockTimeout = '30s';

/**
 * Creates the missing partitions that tables declare, from the current period on. Returns their names. Nobody waits for
 * this, and it waits for no writer. A table that fails does not keep the others from theirs.
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

async function createAhead(table: PartitionedTable, now: Date): Promise<string[]> {
  const created: string[] = [];
  for (let offset = 0; offset <= table.partitions.ahead; offset++) {
    const period = periodAt(table.partitions.by, now, offset);
    const partition = `${table.schema}.${table.name}_${period.label}`;
    if (await inTransaction((tx) => createPartition(tx, table, partition, period))) created.push(partition);
  }
  if (created.length > 0) log.info('partitions created', { created });
  return created;
}

/**
 * Creates and attaches the partition of a period. False if it was attached before. CREATE TABLE … PARTITION OF would be
 * shorter, but its lock on the table queues all writers behind the oldest transaction.
 */
async function createPartition(
  tx: Transaction,
  { schema, name, partitions: { column, storage } }: PartitionedTable,
  partition: string,
  { from, to }: Period,
): Promise<boolean> {
  await tx.query(`set local lock_timeout = '${lockTimeout}'`);
  // One run at a time, by the lock that ATTACH needs anyway. LOCK waits without a snapshot; with one, a run that finalizes
  // a detach would wait for this one.
  await tx.query(`lock table only ${schema}.${name} in share update exclusive mode`);
  if (await isPartition(tx, partition)) return false;
  const [start, end] = [from, to].map((time) => `'${time.toISOString()}'`) as [string, string];
  await tx.query(`create table if not exists ${partition}
    (like ${schema}.${name} including defaults including constraints) ${storage === undefined ? '' : `with (${storage})`}`);
  // a matching CHECK spares ATTACH its scan, which would hold the lock
  await tx.query(`alter table ${partition} drop constraint if exists within,
    add constraint within check (${column} >= ${start} and ${column} < ${end})`);
  await tx.query(`alter table ${schema}.${name} attach partition ${partition} for values from (${start}) to (${end})`);
  await tx.query(`alter table ${partition} drop constraint within`);
  return true;
}

async function isPartition(tx: Transaction, name: string): Promise<boolean> {
  const { rowCount } = await tx.query('select from pg_inherits where inhrelid = to_regclass($1)', [name]);
  return rowCount !== 0;
}
