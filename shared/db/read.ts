import type pg from 'pg';
import type { Sql } from 'sql-template-tag';
import { type Evidence, type Fence, proofOf } from '../cache/proof.ts';
import { type Source, Unproven } from '../cache/view.ts';
import { Integrity } from '../kernel/errors.ts';
import { parseSnapshot } from '../kernel/snapshot.ts';
import { noteServer } from '../observability/servers.ts';
import { isConnectionError, isDemotion, translateDatabaseError } from './errors.ts';
import { hostForReads, leaveOut, seenUpTo } from './lag.ts';
import { dropPool, type Host, isPrimary, pool } from './pools.ts';

/** What a read is for, which decides the host. Syncs and alerts must see what was just written. */
export type Workload = 'api' | 'analytics' | 'sync' | 'alerts';

/** Rows, and what the host that returned them reported about itself. */
export interface ProvableRead<Row> {
  rows: Row[];
  evidence: Evidence;
  /** The time up to which the host shows every change. */
  asOf: Date;
  /** The host. */
  server: 'reader' | 'analytics' | 'writer';
}

interface Statement {
  text: string;
  values: unknown[];
}

/**
 * The rows of one statement, with evidence of what they show: the snapshot of this very statement, and whether the
 * server was in recovery. If the replica is down or lags too far, the primary is read instead.
 *
 * @throws Unproven     `source` asks the replica for a proof, and it has none
 * @throws Deadline     the role's statement timeout was exceeded (retryable)
 * @throws Unavailable  no host responded (retryable)
 */
export async function readProvably<Row extends object>(
  statement: Sql,
  source: Source,
  workload: Workload = 'api',
): Promise<ProvableRead<Row>> {
  if (source.host === 'writer') {
    if (source.insteadOf?.via) await dropPool('primary', source.insteadOf.via as pg.Pool);
    return onHost('primary', (host) => readFrom<Row>(host, statement));
  }
  const { proving } = source;
  return onHost(await hostOf(workload), (host) =>
    readFrom<Row>(host, statement, isPrimary(host) ? undefined : proving),
  );
}

/**
 * The rows of one statement with their evidence, from exactly this host, however far it lags. With `proving`, the host
 * must first prove these fences, in the same transaction as the read.
 *
 * @param prove  decides whether there is a proof; the canary observes it, and tests replace it with a wrong one
 * @throws Unproven  the host has no proof
 * @throws the driver's errors, not translated
 */
export async function readFrom<Row extends object>(
  host: Host,
  statement: Sql,
  proving?: readonly Fence[],
  prove: typeof proofOf = proofOf,
): Promise<ProvableRead<Row>> {
  const wrapped = {
    text: `select pg_current_snapshot()::text as "~snapshot", pg_is_in_recovery() as "~in_recovery", q.*
      from (select 1) as one left join (select true as "~found", r.* from (${statement.text}) r) q on true`,
    values: statement.values,
  };
  return proving ? readAfterProof<Row>(host, wrapped, proving, prove) : readOnce<Row>(host, wrapped);
}

/** The rows of one statement, from a host for the workload, without evidence. For reads that are not cached. */
export async function query<Row extends object>(statement: Sql, workload: Workload): Promise<Row[]> {
  return onHost(await hostOf(workload), async (host) => {
    const { rows } = await (await pool(host)).query<Row>(statement);
    noteServer(serverOf(host));
    return rows;
  });
}

/** What a host reports about the transactions behind some fences. For `explain`. */
export async function evidenceOf(host: Host, fences: readonly Fence[]): Promise<Evidence> {
  const client = await (await pool(host)).connect();
  try {
    return await askStatus(client, host, fences);
  } finally {
    client.release();
  }
}

function serverOf(host: Host): ProvableRead<unknown>['server'] {
  return isPrimary(host) ? 'writer' : (host as 'reader' | 'analytics');
}

async function hostOf(workload: Workload): Promise<Host> {
  if (workload === 'sync' || workload === 'alerts') return 'writer';
  return hostForReads(workload === 'api' ? 'reader' : 'analytics');
}

/** Errors on a reader that the primary may not have: a recovery conflict, or a lack of memory or connections. */
const readerOnlyErrors = /^(40001|40P01|53)/;

/** Runs `work` on a host, and again on the primary if a reader fails with an error that the primary may not have. */
async function onHost<T>(host: Host, work: (host: Host) => Promise<T>): Promise<T> {
  try {
    return await work(host);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (isPrimary(host)) throw await translatePrimaryError(host, error);
    if (!isConnectionError(error) && !readerOnlyErrors.test(code)) throw translateDatabaseError(error);
    if (!code.startsWith('40')) leaveOut(host);
    return await work('primary').catch(async (second: unknown) => {
      throw await translatePrimaryError('primary', second);
    });
  }
}

/** Also drops the pool after a demotion error: a failover has demoted the server behind these connections. */
async function translatePrimaryError(host: Host, error: unknown): Promise<unknown> {
  if (isDemotion(error)) await dropPool(host, await pool(host));
  return translateDatabaseError(error);
}

async function readOnce<Row extends object>(host: Host, statement: Statement): Promise<ProvableRead<Row>> {
  const asOf = seenUpTo(host);
  const connections = await pool(host);
  const { rows, evidence } = toRead<Row>(host, await connections.query(statement));
  return { rows, evidence: { ...evidence, via: connections }, asOf, server: serverOf(host) };
}

/**
 * Asks for the status of the fences' transactions and then reads, in one transaction: behind a proxy, the next
 * statement could go to a different reader. In READ COMMITTED each statement has its own snapshot, so what was reported
 * as committed is visible to the read that follows.
 */
async function readAfterProof<Row extends object>(
  host: Host,
  statement: Statement,
  fences: readonly Fence[],
  prove: typeof proofOf,
): Promise<ProvableRead<Row>> {
  const asOf = seenUpTo(host);
  const client = await (await pool(host)).connect();
  let failure: Error | undefined;
  try {
    await client.query('begin isolation level read committed read only');
    const asked = await askStatus(client, host, fences);
    if (!prove(asked, fences)) throw new Unproven();
    const { rows, evidence } = toRead<Row>(host, await client.query(statement));
    await client.query('commit');
    return { rows, evidence: { ...evidence, committed: asked.committed! }, asOf, server: serverOf(host) };
  } catch (error) {
    failure = await client.query('rollback').then(
      () => (error instanceof ForeignHistory ? error : undefined),
      (broken: Error) => broken,
    );
    throw error;
  } finally {
    client.release(failure);
  }
}

/** Fences are raised only for commits: a server that reports such a transaction as aborted has a different history. */
class ForeignHistory extends Unproven {}

async function askStatus(client: pg.PoolClient, host: Host, fences: readonly Fence[]): Promise<Evidence> {
  const xids = [...new Set(fences.flatMap((fence) => fence.xids))];
  // asking for the status of a transaction that this server does not know yet is an error
  const { rows } = await client.query<{ snapshot: string; in_recovery: boolean; xid: string; status: string | null }>(
    `select now.snapshot::text, pg_is_in_recovery() as in_recovery, xid::text,
       case when xid < pg_snapshot_xmax(now.snapshot) then pg_xact_status(xid) end as status
     from (select pg_current_snapshot() as snapshot) as now left join unnest($1::text[]::xid8[]) as xid on true`,
    [xids.map(String)],
  );
  if (rows.some(({ status }) => status === 'aborted')) throw new ForeignHistory();
  const committed = rows.filter(({ status }) => status === 'committed').map(({ xid }) => Number(xid));
  return {
    host: isPrimary(host) ? 'writer' : 'replica',
    inRecovery: rows[0]!.in_recovery,
    snapshot: snapshotIn(rows[0]!.snapshot),
    committed: new Set(committed),
  };
}

function toRead<Row extends object>(
  host: Host,
  { rows }: pg.QueryResult,
): Pick<ProvableRead<Row>, 'rows' | 'evidence'> {
  const [first] = rows as { '~snapshot': string; '~in_recovery': boolean }[];
  const evidence: Evidence = {
    host: isPrimary(host) ? 'writer' : 'replica',
    inRecovery: first!['~in_recovery'],
    snapshot: snapshotIn(first!['~snapshot']),
  };
  return { rows: (rows as (Row & { '~found': true | null })[]).filter((row) => row['~found']), evidence };
}

function snapshotIn(text: string) {
  const snapshot = parseSnapshot(text);
  if (!snapshot) throw new Integrity('Postgres returned no valid snapshot.');
  return snapshot;
}
