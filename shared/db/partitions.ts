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

/**
 * Creates the missing partitions that tables declare, from the current period on, and drops those past their retention.
 * Returns what changed in each table.
 *
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export async function createPartitions(tables: readonly PartitionedTable[], now: Date): Promise<PartitionReport[]> {
  const reports: PartitionReport[] = [];
  for (const table of tables) {
    const report = {
      table: `${table.schema}.${table.name}`,
      created: await createAhead(table, now),
      dropped: await dropExpired(table, now),
    };
    log.info('partitions maintained', { ...report });
    reports.push(report);
  }
  return reports;
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

async function createAhead({ schema, name, partitions }: PartitionedTable, now: Date): Promise<string[]> {
  const { by, column, ahead, storage } = partitions;
  const created: string[] = [];
  for (let offset = 0; offset <= ahead; offset++) {
    const { label, from, to } = periodAt(by, now, offset);
    const partition = `${name}_${label}`;
    const wasCreated = await inTransaction(async (tx) => {
      if (await exists(tx, schema, partition)) return false;
      const bounds = [from, to].map((time) => `'${time.toISOString()}'`) as [string, string];
      await tx.query(`create table ${schema}.${partition} (like ${schema}.${name} including defaults including constraints)
        ${storage === undefined ? '' : `with (${storage})`}`);
      // with a matching CHECK, ATTACH skips its scan and holds its lock only briefly
      await tx.query(`alter table ${schema}.${partition}
        add constraint within check (${column} >= ${bounds[0]} and ${column} < ${bounds[1]})`);
      await tx.query(`alter table ${schema}.${name} attach partition ${schema}.${partition}
        for values from (${bounds[0]}) to (${bounds[1]})`);
      await tx.query(`alter table ${schema}.${partition} drop constraint within`);
      return true;
    });
    if (wasCreated) created.push(partition);
  }
  return created;
}

async function dropExpired({ schema, name, partitions }: PartitionedTable, now: Date): Promise<string[]> {
  const { by, kept, keepWhile = 'false' } = partitions;
  if (kept === undefined) return [];
  const oldest = `${name}_${periodAt(by, now, -kept).label}`;
  return inTransaction(async (tx) => {
    const { rows } = await tx.query<{ partition: string }>(
      `select c.relname as partition from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = to_regclass($1) and c.relname < $2 order by 1`,
      [`${schema}.${name}`, oldest],
    );
    const dropped: string[] = [];
    for (const { partition } of rows) {
      const { rowCount } = await tx.query(`select 1 from ${schema}.${partition} where ${keepWhile} limit 1`);
      if (rowCount !== 0) continue;
      await tx.query(`drop table ${schema}.${partition}`);
      dropped.push(partition);
    }
    return dropped;
  });
}

async function exists(tx: Transaction, schema: string, table: string): Promise<boolean> {
  const { rows } = await tx.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    `${schema}.${table}`,
  ]);
  return rows[0]!.exists;
}
