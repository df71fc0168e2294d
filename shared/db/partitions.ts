import { Unavailable } from '../kernel/errors.ts';
import type { PartitionedTable, Partitions } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** The changes made to the partitions of a table. */
export interface PartitionReport {
  table: string;
  created: string[];
  dropped: string[];
}

/** A half-open period of time: [from, to). */
export interface Period {
  /** `20261121` or `202611`. */
  label: string;
  from: Date;
  to: Date;
}

const dropLockTimeout = '500ms';

/**
 * Creates the missing partitions that tables declare, from the current period on, and drops those past their retention.
 * Returns what changed in each table. A table that fails does not keep the others from theirs.
 *
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export async function createPartitions(tables: readonly PartitionedTable[], now: Date): Promise<PartitionReport[]> {
  const outcomes = [];
  for (const table of tables) outcomes.push(await maintain(table, now).catch((error: unknown) => ({ table, error })));
  const failed = outcomes.filter((outcome) => 'error' in outcome);
  for (const { table, error } of failed)
    log.error('partitions not maintained', { table: `${table.schema}.${table.name}`, error });
  if (failed.length > 0) throw failed[0]!.error;
  return outcomes as PartitionReport[];
}

async function maintain(table: PartitionedTable, now: Date): Promise<PartitionReport> {
  const report = {
    table: `${table.schema}.${table.name}`,
    created: await createAhead(table, now),
    dropped: await dropExpired(table, now),
  };
  log.info('partitions maintained', { ...report });
  return report;
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
    if (await inTransaction((tx) => createPartition(tx, table, period))) created.push(`${table.name}_${period.label}`);
  }
  return created;
}

/** Creates and attaches the partition of a period. False if it was attached before. */
async function createPartition(
  tx: Transaction,
  { schema, name, partitions: { column, storage } }: PartitionedTable,
  { label, from, to }: Period,
): Promise<boolean> {
  await lock(tx, `${schema}.${name}`);
  const partition = `${schema}.${name}_${label}`;
  if (await isPartition(tx, partition)) return false;
  const [start, end] = [from, to].map((time) => `'${time.toISOString()}'`) as [string, string];
  await tx.query(`create table if not exists ${partition}
    (like ${schema}.${name} including defaults including constraints) ${storage === undefined ? '' : `with (${storage})`}`);
  // a matching CHECK spares ATTACH its scan, which would hold the lock
  await tx.query(`alter table ${partition} add constraint within check (${column} >= ${start} and ${column} < ${end})`);
  await tx.query(`alter table ${schema}.${name} attach partition ${partition} for values from (${start}) to (${end})`);
  await tx.query(`alter table ${partition} drop constraint within`);
  return true;
}

async function dropExpired({ schema, name, partitions }: PartitionedTable, now: Date): Promise<string[]> {
  const { by, kept, keepWhile = 'false' } = partitions;
  if (kept === undefined) return [];
  const expired = await inTransaction((tx) =>
    expiredPartitions(tx, `${schema}.${name}`, periodAt(by, now, -kept).from),
  );
  const dropped: string[] = [];
  for (const partition of expired) {
    const wasDropped = await inTransaction(async (tx) => {
      // waiting for a lock on the parent blocks every writer behind it, so the next run tries again
      await tx.query(`set local lock_timeout = '${dropLockTimeout}'`);
      await lock(tx, `${schema}.${name}`);
      if (!(await isPartition(tx, `${schema}.${partition}`))) return false;
      const { rowCount } = await tx.query(`select 1 from ${schema}.${partition} where ${keepWhile} limit 1`);
      if (rowCount !== 0) return false;
      await tx.query(`drop table ${schema}.${partition}`);
      return true;
    }).catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      log.warn('expired partition not dropped', { partition, error });
      return false;
    });
    if (wasDropped) dropped.push(partition);
  }
  return dropped;
}

/** One run at a time: a deployment's and the schedule's may meet. */
async function lock(tx: Transaction, table: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`partitions of ${table}`]);
}

async function isPartition(tx: Transaction, name: string): Promise<boolean> {
  const { rowCount } = await tx.query('select from pg_inherits where inhrelid = to_regclass($1)', [name]);
  return rowCount !== 0;
}

/** The partitions that end at or before a time, by their bounds. */
async function expiredPartitions(tx: Transaction, table: string, before: Date): Promise<string[]> {
  const { rows } = await tx.query<{ partition: string }>(
    `select c.relname as partition from pg_inherits i join pg_class c on c.oid = i.inhrelid,
       regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO [(]'([^']+)'[)]$re$) as bound
     where i.inhparent = to_regclass($1) and bound[1]::timestamptz <= $2 order by 1`,
    [table, before],
  );
  return rows.map(({ partition }) => partition);
}
