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
import { isLockTimeout, withLockRetries } from './lock-retries.ts';
import { boundsOf } from './partition-bounds.ts';
import { forEachTable, periodAt } from './partitions.ts';
import { inSession, type Session } from './session.ts';

/** Which partitions of a table are dropped. */
export interface Expiry {
  /** The table, with its schema. */
  table: string;
  /** Partitions that end at or before it. */
  before: Date;
  /** Whether a partition must be kept. It is asked before the detach, and once more when no row can come in. */
  mustKeep: (session: Session, partition: string) => Promise<boolean>;
  /** Called between two steps, for tests. */
  onStep?: (step: 'detached' | 'dropped') => Promise<void>;
}

interface Dropping extends Expiry {
  giveUpAfterMs: number;
}

interface Partition {
  /** Quoted, with its schema. */
  name: string;
  /** `FOR VALUES …`, as ATTACH takes them. */
  bounds: string;
}

/** Waiting for the transactions that use a partition blocks nobody, so it may last longer than a sync's transaction. */
const waitMs = 20_000;
/** Foreign keys lock the tables that they refer to, and those who use them wait behind a DETACH or DROP that waits. */
const referencingWaitMs = 200;
const statementMs = 60_000;

/**
 * Drops the partitions past their retention in which no row must be kept. Returns their names. One that is still in use
 * is left to the next run, and so are the later ones of its table. Does nothing to a table while another run is at it. A
 * table that fails does not keep the others from theirs.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export function dropExpiredPartitions(tables: readonly PartitionedTable[], now: Date): Promise<string[]> {
  return forEachTable(tables, ({ schema, name, partitions: { by, kept, keepWhile = 'false' } }) => {
    if (kept === undefined) return Promise.resolve([]);
    return dropPartitions({
      table: `${schema}.${name}`,
      before: periodAt(by, now, -kept).from,
      async mustKeep(session, partition) {
        const { rowCount } = await session.query(`select from ${partition} where ${keepWhile} limit 1`);
        return rowCount !== 0;
      },
    });
  });
}

/**
 * Drops the partitions of a table up to a time, as above.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export async function dropPartitions(expiry: Expiry): Promise<string[]> {
  const dropped: string[] = [];
  await inSession(`retention of ${expiry.table}`, { lockMs: waitMs, statementMs }, async (session) => {
    const { rowCount } = await session.query(
      `select from pg_constraint where conrelid = to_regclass($1) and contype = 'f' limit 1`,
      [expiry.table],
    );
    const isReferencing = rowCount !== 0;
    if (isReferencing) await session.query(`set lock_timeout = ${referencingWaitMs}`);
    // short waits are repeated for as long as a long one would take
    await dropEach(session, { ...expiry, giveUpAfterMs: isReferencing ? waitMs : 0 }, dropped).catch(
      (error: unknown) => {
        if (!isTimeout(error)) throw error;
        log.warn('expired partitions left to the next run', { table: expiry.table, error });
      },
    );
  });
  if (dropped.length > 0) log.info('partitions dropped', { dropped });
  return dropped;
}

async function dropEach(session: Session, expiry: Dropping, dropped: string[]): Promise<void> {
  for (const partition of await detachedPartitions(session, expiry))
    if (await dropDetached(session, expiry, partition)) dropped.push(partition.name);
  for (const partition of await expiredPartitions(session, expiry)) {
    if (!partition.isPending && (await expiry.mustKeep(session, partition.name))) continue;
    await detach(session, expiry, partition);
    await expiry.onStep?.('detached');
    if (await dropDetached(session, expiry, partition)) dropped.push(partition.name);
    await expiry.onStep?.('dropped');
  }
}

async function detach(session: Session, expiry: Dropping, { name, bounds }: Partition): Promise<void> {
  // COMMENT takes no parameters, so Postgres quotes the text
  const { rows } = await session.query<{ comment: string }>('select quote_literal($1) as comment', [
    `${commentOn(expiry)}${bounds}`,
  ]);
  await session.query(`comment on table ${name} is ${rows[0]!.comment}`);
  // one that timed out has left the partition pending
  await withLockRetries(async () => {
    const state = await session.query<{ isPending: boolean }>(
      'select inhdetachpending as "isPending" from pg_inherits where inhrelid = to_regclass($1)',
      [name],
    );
    const how = state.rows[0]?.isPending ? 'finalize' : 'concurrently';
    await session.query(`alter table ${expiry.table} detach partition ${name} ${how}`);
  }, expiry.giveUpAfterMs);
}

/** Drops a detached partition, or attaches it again if it has a row that must be kept. True if it was dropped. */
async function dropDetached(session: Session, expiry: Dropping, { name, bounds }: Partition): Promise<boolean> {
  const isKept = await expiry.mustKeep(session, name);
  // the CHECK that DETACH CONCURRENTLY left behind spares ATTACH its scan
  const statement = isKept ? `alter table ${expiry.table} attach partition ${name} ${bounds}` : `drop table ${name}`;
  await withLockRetries(() => session.query(statement), expiry.giveUpAfterMs);
  return !isKept;
}

/** The partitions that end at or before a time, by their bounds. One that is pending comes first: it blocks the others. */
async function expiredPartitions(
  session: Session,
  { table, before }: Expiry,
): Promise<(Partition & { isPending: boolean })[]> {
  const { rows } = await session.query<Partition & { isPending: boolean }>(
    `select * from (${boundsOf}) as p where until <= $2 order by "isPending" desc, name`,
    [table, before],
  );
  return rows;
}

/** The partitions of a table that were detached and neither dropped nor attached again. */
async function detachedPartitions(session: Session, expiry: Expiry): Promise<Partition[]> {
  const { rows } = await session.query<Partition>(
    `select format('%I.%I', c.relnamespace::regnamespace, c.relname) as name, substr(d.description, length($1) + 1) as bounds
     from pg_description d join pg_class c on c.oid = d.objoid
     where d.classoid = 'pg_class'::regclass and d.objsubid = 0 and starts_with(d.description, $1) and not c.relispartition
     order by 1`,
    [commentOn(expiry)],
  );
  return rows;
}

function commentOn({ table }: Expiry): string {
  return `Expired partition of ${table}: `;
}

/** A lock or a statement took too long. */
function isTimeout(error: unknown): boolean {
  return isLockTimeout(error) || (error as { code?: string }).code === '57014';
}
