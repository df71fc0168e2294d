/**
 * Drops the partitions past their retention, without keeping anyone waiting.
 *
 * DROP and a plain DETACH of an attached partition lock its table exclusively: they wait for the oldest transaction that
 * has touched the table, and every writer waits behind them. So a partition goes in steps that need no such lock:
 *
 *     attached ──detach concurrently──▶ pending ──finalize──▶ detached ──drop──▶ gone
 *        ▲                                                       │
 *        └────────────── attach, if a row must be kept ──────────┘
 *
 * Each step reads the state from the catalog, so the next run continues where one was cut off.
 *
 * - A partition with a row that must be kept is not detached. Before the others are, their bounds are written into their
 *   comments: by that, a run recognizes a detached partition, and can attach it again.
 * - DETACH CONCURRENTLY makes the partition invisible to new statements, then waits for the transactions that may still
 *   use it. If that takes too long, the partition stays pending, and no other one of its table can be detached: the next
 *   run finalizes it first.
 * - Once a partition is detached, no row can come in, and those that came in meanwhile are committed. So the second look
 *   for rows to keep is final. If there is one, the partition is attached again, or nobody would ever find the row.
 */
import type { PartitionedTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { forEachTable, periodAt } from './partitions.ts';
import { inSession, type Session } from './session.ts';

interface Partition {
  /** Quoted, with its schema. */
  name: string;
  /** `FOR VALUES …`, as ATTACH takes them. */
  bounds: string;
}

/** A lock is waited for longer than a sync's transaction takes; the waiting blocks no writer. */
const timeouts = { lockMs: 20_000, statementMs: 60_000 };

/**
 * Drops the partitions past their retention in which no row must be kept. Returns their names. One that is still in use
 * is left to the next run, and so are the later ones of its table. Does nothing to a table while another run is at it. A
 * table that fails does not keep the others from theirs.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export function dropExpiredPartitions(tables: readonly PartitionedTable[], now: Date): Promise<string[]> {
  return forEachTable(tables, async (table) => {
    if (table.partitions.kept === undefined) return [];
    const before = periodAt(table.partitions.by, now, -table.partitions.kept).from;
    return (
      (await inSession(`retention of ${qualified(table)}`, timeouts, (session) => drop(session, table, before))) ?? []
    );
  });
}

async function drop(session: Session, table: PartitionedTable, before: Date): Promise<string[]> {
  const dropped: string[] = [];
  try {
    for (const partition of await detachedPartitions(session, table))
      if (await dropDetached(session, table, partition)) dropped.push(partition.name);
    for (const partition of await expiredPartitions(session, table, before)) {
      if (!partition.isPending && (await hasRowToKeep(session, table, partition))) continue;
      await detach(session, table, partition);
      if (await dropDetached(session, table, partition)) dropped.push(partition.name);
    }
  } catch (error) {
    if (!isTimeout(error)) throw error;
    log.warn('expired partitions left to the next run', { table: qualified(table), error });
  }
  if (dropped.length > 0) log.info('partitions dropped', { dropped });
  return dropped;
}

async function detach(
  session: Session,
  table: PartitionedTable,
  { name, bounds, isPending }: Partition & { isPending: boolean },
): Promise<void> {
  // COMMENT takes no parameters, so Postgres quotes the text
  const { rows } = await session.query<{ comment: string }>('select quote_literal($1) as comment', [
    `${commentOn(table)}${bounds}`,
  ]);
  await session.query(`comment on table ${name} is ${rows[0]!.comment}`);
  await session.query(
    `alter table ${qualified(table)} detach partition ${name} ${isPending ? 'finalize' : 'concurrently'}`,
  );
}

/** Drops a detached partition, or attaches it again if it has a row that must be kept. True if it was dropped. */
async function dropDetached(session: Session, table: PartitionedTable, { name, bounds }: Partition): Promise<boolean> {
  const isKept = await hasRowToKeep(session, table, { name });
  // the CHECK that DETACH CONCURRENTLY left behind spares ATTACH its scan
  await session.query(
    isKept ? `alter table ${qualified(table)} attach partition ${name} ${bounds}` : `drop table ${name}`,
  );
  return !isKept;
}

async function hasRowToKeep(
  session: Session,
  { partitions: { keepWhile = 'false' } }: PartitionedTable,
  { name }: Pick<Partition, 'name'>,
): Promise<boolean> {
  const { rowCount } = await session.query(`select from ${name} where ${keepWhile} limit 1`);
  return rowCount !== 0;
}

/** The partitions that end at or before a time, by their bounds. One that is pending comes first: it blocks the others. */
async function expiredPartitions(
  session: Session,
  table: PartitionedTable,
  before: Date,
): Promise<(Partition & { isPending: boolean })[]> {
  const { rows } = await session.query<Partition & { isPending: boolean }>(
    `select format('%I.%I', c.relnamespace::regnamespace, c.relname) as name, bounds, i.inhdetachpending as "isPending"
     from pg_inherits i join pg_class c on c.oid = i.inhrelid,
       pg_get_expr(c.relpartbound, c.oid) as bounds,
       regexp_match(bounds, $re$TO [(]'([^']+)'[)]$re$) as upper
     where i.inhparent = to_regclass($1) and upper[1]::timestamptz <= $2 order by i.inhdetachpending desc, 1`,
    [qualified(table), before],
  );
  return rows;
}

/** The partitions of a table that were detached and neither dropped nor attached again. */
async function detachedPartitions(session: Session, table: PartitionedTable): Promise<Partition[]> {
  const { rows } = await session.query<Partition>(
    `select format('%I.%I', c.relnamespace::regnamespace, c.relname) as name, substr(d.description, length($1) + 1) as bounds
     from pg_description d join pg_class c on c.oid = d.objoid
     where d.classoid = 'pg_class'::regclass and d.objsubid = 0 and starts_with(d.description, $1) and not c.relispartition
     order by 1`,
    [commentOn(table)],
  );
  return rows;
}

function commentOn(table: PartitionedTable): string {
  return `Expired partition of ${qualified(table)}: `;
}

function qualified({ schema, name }: PartitionedTable): string {
  return `${schema}.${name}`;
}

/** A lock or a statement took too long. */
function isTimeout(error: unknown): boolean {
  return ['55P03', '57014'].includes((error as { code?: string }).code ?? '');
}
