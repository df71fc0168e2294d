/**
 * Runs VACUUM and ANALYZE on the tables whose statistics call for it, and reports the result for each.
 *
 * Autovacuum does this too, but later; until then, a table has bad query plans after a large sync. Maintenance never
 * blocks on user traffic: a table whose lock is not granted within the lock timeout is skipped until the next run.
 */
import type pg from 'pg';
import { log } from '../observability/log.ts';
import { pool } from './pools.ts';

/** A table before and after maintenance. */
export interface Maintained {
  table: string;
  action: 'vacuum analyze' | 'analyze';
  rows: number;
  deadRowsBefore: number;
  changedRowsBefore: number;
  deadRowsAfter: number;
  elapsedMs: number;
  /** Why the table was skipped, if it was. */
  left?: string;
}

interface TableStatistics {
  name: string;
  rows: number;
  dead: number;
  changed: number;
}

/** The number of dead rows, and their share of the live ones, from which to VACUUM; of changed rows, to ANALYZE. */
const thresholds = { dead: { rows: 1_000, share: 0.1 }, changed: { rows: 1_000, share: 0.1 } };
const lockTimeoutMs = 1_000;
const advisoryLock = 7_216_305_442;

/**
 * Maintains the tables that need it until the deadline, starting with the most dead rows, and returns a report.
 * `onTable` is called after each, with the number of remaining tables. Undefined if another maintenance is running.
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
    // a VACUUM of a large table exceeds the role's timeouts
    await client.query(`set statement_timeout = 0; set transaction_timeout = 0; set lock_timeout = ${lockTimeoutMs}`);
    const due = (await statistics(client)).filter((one) => actionFor(one) !== undefined);
    const report: Maintained[] = [];
    for (const [i, one] of due.entries()) {
      if (Date.now() >= deadline.getTime()) break;
      const maintained = await maintain(client, one);
      report.push(maintained);
      await onTable(maintained, due.length - i - 1);
    }
    return report;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    await client
      .query('reset statement_timeout; reset transaction_timeout; reset lock_timeout; select pg_advisory_unlock_all()')
      .catch((error) => {
        broken = error;
      });
    client.release(broken);
  }
}

function actionFor({ rows, dead, changed }: TableStatistics): Maintained['action'] | undefined {
  if (dead >= thresholds.dead.rows && dead >= rows * thresholds.dead.share) return 'vacuum analyze';
  if (changed >= thresholds.changed.rows && changed >= rows * thresholds.changed.share) return 'analyze';
  return undefined;
}

async function maintain(client: pg.PoolClient, before: TableStatistics): Promise<Maintained> {
  const action = actionFor(before)!;
  const startedAt = Date.now();
  // the name comes quoted from the catalog; truncating the table would take a lock that blocks readers
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
  log.info(left ? 'table maintenance skipped' : 'table maintained', { ...maintained });
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
