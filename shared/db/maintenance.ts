/**
 * Runs VACUUM and ANALYZE on the tables whose statistics call for it, and reports the result for each.
 *
 * Autovacuum does this too, but later; until then, a table has bad query plans after a large sync. Maintenance never
 * blocks on user traffic: a table whose lock is not granted within the lock timeout is skipped until the next run.
 */
import { log } from '../observability/log.ts';
import { inSession, type Session } from './session.ts';

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
  // a VACUUM of a large table exceeds the role's timeouts
  return inSession('maintenance', { lockMs: lockTimeoutMs, statementMs: 0 }, async (session) => {
    const due = (await statistics(session)).filter((one) => actionFor(one) !== undefined);
    const report: Maintained[] = [];
    for (const [i, one] of due.entries()) {
      if (Date.now() >= deadline.getTime()) break;
      const maintained = await maintain(session, one);
      report.push(maintained);
      await onTable(maintained, due.length - i - 1);
    }
    return report;
  });
}

function actionFor({ rows, dead, changed }: TableStatistics): Maintained['action'] | undefined {
  if (dead >= thresholds.dead.rows && dead >= rows * thresholds.dead.share) return 'vacuum analyze';
  if (changed >= thresholds.changed.rows && changed >= rows * thresholds.changed.share) return 'analyze';
  return undefined;
}

async function maintain(session: Session, before: TableStatistics): Promise<Maintained> {
  const action = actionFor(before)!;
  const startedAt = Date.now();
  // the name comes quoted from the catalog; truncating the table would take a lock that blocks readers
  const statement = action === 'analyze' ? `analyze ${before.name}` : `vacuum (analyze, truncate false) ${before.name}`;
  const left = await session.query(statement).then(
    () => undefined,
    (error: Error & { code?: string }) => {
      if (error.code !== '55P03') throw error;
      return 'user traffic held its lock';
    },
  );
  const after = (await statistics(session, before.name))[0];
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

async function statistics(session: Session, name?: string): Promise<TableStatistics[]> {
  await session.query('select pg_stat_force_next_flush(), pg_stat_clear_snapshot()');
  const { rows } = await session.query<TableStatistics>(
    `select format('%I.%I', schemaname, relname) as name, n_live_tup::float8 as rows, n_dead_tup::float8 as dead,
       n_mod_since_analyze::float8 as changed
     from pg_stat_user_tables
     where schemaname not in ('public', 'pg_catalog') and ($1::text is null or format('%I.%I', schemaname, relname) = $1)
     order by n_dead_tup desc, n_mod_since_analyze desc`,
    [name ?? null],
  );
  return rows;
}
