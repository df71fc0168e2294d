/**
 * VACUUM and ANALYZE where the statistics say that it pays, table by table, and what came of each.
 *
 * Autovacuum does this too, on its own time; a large sync leaves a table whose plans are wrong until then. It never waits
 * for user traffic: a table whose lock is not to be had within the lock timeout is left for the next time.
 */
import type pg from 'pg';
import { log } from '../observability/log.ts';
import { pool } from './pools.ts';

/** One table, before and after. */
export interface Maintained {
  table: string;
  action: 'vacuum analyze' | 'analyze';
  rows: number;
  deadRowsBefore: number;
  changedRowsBefore: number;
  deadRowsAfter: number;
  elapsedMs: number;
  /** Why it was left, where it was. */
  left?: string;
}

interface TableStatistics {
  name: string;
  rows: number;
  dead: number;
  changed: number;
}

/** From how many dead rows, and which share of the live ones, a VACUUM pays; for ANALYZE, of changed ones. */
const pays = { dead: { rows: 1_000, share: 0.1 }, changed: { rows: 1_000, share: 0.1 } };
const lockTimeoutMs = 1_000;
const advisoryLock = 7_216_305_442;

/**
 * Looks after the tables that need it, those with the most dead rows first, until the deadline; `onTable` is told of each.
 * Undefined if another is at it.
 *
 * @throws Unavailable  the database failed (retryable)
 */
export async function maintainTables(
  deadline: Date,
  onTable: (maintained: Maintained, left: number) => Promise<void>,
): Promise<Maintained[] | undefined> {
  const client = await (await pool('writer')).connect();
  let broken: Error | undefined;
  try {
    const { rows } = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [advisoryLock]);
    if (!rows[0]!.ours) return undefined;
    // a VACUUM of a large table takes longer than a statement may
    await client.query(`set statement_timeout = 0; set lock_timeout = ${lockTimeoutMs}`);
    const worn = (await statistics(client)).filter((one) => actionFor(one) !== undefined);
    const report: Maintained[] = [];
    for (const [i, one] of worn.entries()) {
      if (Date.now() >= deadline.getTime()) break;
      const maintained = await maintain(client, one);
      report.push(maintained);
      await onTable(maintained, worn.length - i - 1);
    }
    return report;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    await client
      .query('reset statement_timeout; reset lock_timeout; select pg_advisory_unlock_all()')
      .catch((error) => {
        broken = error;
      });
    client.release(broken);
  }
}

function actionFor({ rows, dead, changed }: TableStatistics): Maintained['action'] | undefined {
  if (dead >= pays.dead.rows && dead >= rows * pays.dead.share) return 'vacuum analyze';
  if (changed >= pays.changed.rows && changed >= rows * pays.changed.share) return 'analyze';
  return undefined;
}

async function maintain(client: pg.PoolClient, before: TableStatistics): Promise<Maintained> {
  const action = actionFor(before)!;
  const startedAt = Date.now();
  // the name is the catalogue's own, quoted; the table's end is not cut off, as that takes a lock that stops readers
  const statement = action === 'analyze' ? `analyze ${before.name}` : `vacuum (analyze, truncate false) ${before.name}`;
  const left = await client.query(statement).then(
    () => undefined,
    (error: Error & { code?: string }) => {
      if (error.code !== '55P03') throw error;
      return 'user traffic held its lock';
    },
  );
  const after = (await statistics(client, before.name))[0];
  const maintained = {
    table: before.name,
    action,
    rows: before.rows,
    deadRowsBefore: before.dead,
    changedRowsBefore: before.changed,
    deadRowsAfter: left ? before.dead : (after?.dead ?? 0),
    elapsedMs: Date.now() - startedAt,
    ...(left ? { left } : {}),
  };
  log.info('a table was looked after', { ...maintained });
  return maintained;
}

async function statistics(client: pg.PoolClient, name?: string): Promise<TableStatistics[]> {
  await client.query('select pg_stat_force_next_flush(), pg_stat_clear_snapshot()');
  const { rows } = await client.query<TableStatistics>(
    `select format('%I.%I', schemaname, relname) as name, n_live_tup::float8 as rows, n_dead_tup::float8 as dead,
       n_mod_since_analyze::float8 as changed
     from pg_stat_user_tables
     where schemaname not in ('public', 'pg_catalog') and ($1::text is null or format('%I.%I', schemaname, relname) = $1)
     order by n_dead_tup desc, n_mod_since_analyze desc`,
    [name ?? null],
  );
  return rows;
}
