import type { Sql } from 'sql-template-tag';
import { Integrity } from '../kernel/errors.ts';
import { type PgSnapshot, parseSnapshot } from '../kernel/snapshot.ts';
import { isConnectionError, translateDatabaseError } from './errors.ts';
import { hostForReads, leaveOut } from './lag.ts';
import { type Host, pool } from './pools.ts';

/** What a read is for; it decides which host answers. Syncs and alerts have to see what was just written. */
export type Workload = 'api' | 'analytics' | 'sync' | 'alerts';

export interface Snapshotted<Row> {
  /** The snapshot that the rows were read under. */
  snapshot: PgSnapshot;
  rows: Row[];
}

/**
 * Rows of one statement, and the snapshot that this very statement read them under.
 *
 * @param source  `replica`: a reader of the workload, or the writer while it lags or is down; `writer`: the writer
 * @throws Deadline     over the role's statement timeout (retryable)
 * @throws Unavailable  no host answers (retryable)
 */
export async function readUnderSnapshot<Row extends object>(
  statement: Sql,
  source: 'replica' | 'writer',
  workload: Workload = 'api',
): Promise<Snapshotted<Row>> {
  const text = `select pg_current_snapshot()::text as "~snapshot", q.*
    from (select 1) as one left join (select true as "~found", r.* from (${statement.text}) r) q on true`;
  const rows = await queryAny<Row & { '~snapshot': string; '~found': true | null }>(
    text,
    statement.values,
    source,
    workload,
  );
  const snapshot = parseSnapshot(rows[0]?.['~snapshot'] ?? '');
  if (!snapshot) throw new Integrity('Postgres gave no snapshot with its rows.');
  return { snapshot, rows: rows.filter((row) => row['~found']) };
}

/** Rows of one statement, from a host of the workload; for what is not cached. */
export async function query<Row extends object>(statement: Sql, workload: Workload): Promise<Row[]> {
  return queryAny<Row>(statement.text, statement.values, 'replica', workload);
}

async function queryAny<Row extends object>(
  text: string,
  values: unknown[],
  source: 'replica' | 'writer',
  workload: Workload,
): Promise<Row[]> {
  const host =
    source === 'writer' || workload === 'sync' || workload === 'alerts' ? 'writer' : await readerOf(workload);
  try {
    return await queryHost<Row>(host, text, values);
  } catch (error) {
    if (host === 'writer' || !isConnectionError(error)) throw translateDatabaseError(error);
    leaveOut(host);
    return await queryHost<Row>('writer', text, values).catch((second: unknown) => {
      throw translateDatabaseError(second);
    });
  }
}

function readerOf(workload: 'api' | 'analytics'): Promise<Host> {
  return hostForReads(workload === 'api' ? 'reader' : 'analytics');
}

async function queryHost<Row extends object>(host: Host, text: string, values: unknown[]): Promise<Row[]> {
  return (await (await pool(host)).query<Row>(text, values)).rows;
}
