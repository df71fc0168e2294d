import { commit } from '../changes/commit.ts';
import type { Changed } from '../db/changed.ts';
import { toJsonb } from '../db/json.ts';
import { findRefused, isRefusal } from '../db/refused-rows.ts';
import type { Transaction } from '../db/transaction.ts';
import { Integrity, PositionExpired, TributaryError } from '../kernel/errors.ts';
import { storable } from '../kernel/text.ts';
import { log } from '../observability/log.ts';
import { addProgress, type Counts, type Run } from './job.ts';
import { extendCheckpoint, type Lease, moveCheckpoint, type RowCounts, releaseLease, takeLease } from './lease.ts';

/** A rejected row and the reason. */
export interface Rejected {
  /** Its line in the file. Default: its number in the run of the job, from 1. */
  position?: number;
  reason: string;
  row: unknown;
}

/** A batch from a source: its valid rows, its rejected rows, and where the next batch begins. */
export interface Batch<Row> {
  rows: Row[];
  /** The position of each row, as in `Rejected`. */
  positions?: readonly number[];
  rejected: Rejected[];
  /** The position after this batch; null at the end. */
  next: unknown;
  /** 0 to 100, if known. */
  percent?: number;
}

/** A resumable sync from a source: how batches are read and applied. */
export interface Sync<Row, B extends Batch<Row> = Batch<Row>> {
  /** The name of its checkpoint. Only one run at a time can hold it. */
  name: string;
  /** The batches in order, starting at a position (null: the beginning). */
  read(position: unknown): AsyncIterable<B>;
  /** Applies a batch. Must be idempotent. */
  apply(tx: Transaction, rows: Row[], batch: B): Promise<Changed>;
  /** Runs after the last batch, in its own transaction, unless too many rows were rejected. */
  finish?(tx: Transaction): Promise<Changed | undefined>;
  /** The share of rejected rows above which it fails. Default: 1%. 0: what is missing would be taken for removed. */
  maxRejectedShare?: number;
}

/** From this many changed rows, the tables' statistics count as outdated. */
const staleStatisticsRows = 50_000;

const defaultMaxRejectedShare = 0.01;
const heartbeatMs = 30_000;

/**
 * Runs a sync from its checkpoint. Each batch is one transaction with its counts, its rejected rows, and the
 * checkpoint, so a crash repeats at most one batch, which changes nothing.
 *
 * Returns `continue` if the deadline passed first; the next run resumes from the checkpoint.
 *
 * If the source no longer knows the position (`PositionExpired`), the run reads again from the start.
 *
 * @throws Busy        another run is in progress, or took over this one's lease (retryable)
 * @throws Superseded  the job was cancelled, or another worker holds it
 * @throws Integrity   too many rows were rejected; the valid ones were applied, the others are listed
 */
export async function runSync<Row, B extends Batch<Row>>(sync: Sync<Row, B>, run: Run): Promise<'done' | 'continue'> {
  const lease = await takeLease(sync.name);
  const stopHeartbeat = keepLease(lease, run);
  try {
    if ((await applyBatches(sync, run, lease)) === 'continue') {
      await releaseLease(lease, 'keep');
      return 'continue';
    }
    await finish(sync, run, lease);
    await releaseLease(lease, 'forget');
  } catch (error) {
    // a retry resumes from the checkpoint; after any other error the next run starts over
    const resumes = !(error instanceof TributaryError) || error.retryable;
    await releaseLease(lease, resumes ? 'keep' : 'forget').catch(() => {});
    throw error;
  } finally {
    stopHeartbeat();
  }
  return 'done';
}

/** A source may take longer than a lease before it has anything to apply. */
function keepLease(lease: Lease, { deadline }: Run): () => void {
  const timer = setInterval(() => {
    // a worker past its deadline has been frozen: what it held may be another's
    if (Date.now() > deadline.getTime() + heartbeatMs) return clearInterval(timer);
    extendCheckpoint(lease).catch((error: unknown) => log.warn('sync lease not extended', { sync: lease.name, error }));
  }, heartbeatMs);
  return () => clearInterval(timer);
}

/** Applies the batches from the lease's position on, or from the start if the source no longer knows that position. */
async function applyBatches<Row, B extends Batch<Row>>(
  sync: Sync<Row, B>,
  run: Run,
  lease: Lease,
): Promise<'done' | 'continue'> {
  let { position } = lease;
  for (let startsOver = false; ; startsOver = true) {
    try {
      for await (const batch of sync.read(position)) {
        await applyBatch(sync, batch, run, lease);
        if (batch.next !== null && Date.now() >= run.deadline.getTime()) return 'continue';
      }
      return 'done';
    } catch (error) {
      if (!(error instanceof PositionExpired) || startsOver) throw error;
      log.info('sync starts over', { sync: sync.name, error });
      position = null;
    }
  }
}

/** Applies a batch. Rows that the tables refuse are rejected, and the others applied without them. */
async function applyBatch<Row, B extends Batch<Row>>(
  sync: Sync<Row, B>,
  batch: B,
  run: Run,
  lease: Lease,
): Promise<void> {
  try {
    await writeBatch(sync, batch, run, lease);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const refused = await findRefused(batch.rows, (tx, rows) => sync.apply(tx, rows, batch));
    if (refused.size === 0) throw error;
    await writeBatch(sync, withoutRefused(batch, refused), run, lease);
  }
}

function withoutRefused<Row, B extends Batch<Row>>(batch: B, refused: ReadonlyMap<Row, string>): B {
  const rejected = batch.rows.flatMap((row, i): Rejected[] => {
    const reason = refused.get(row);
    if (reason === undefined) return [];
    const position = batch.positions?.[i];
    return [{ reason, row, ...(position === undefined ? {} : { position }) }];
  });
  const rows = batch.rows.filter((row) => !refused.has(row));
  return { ...batch, rows, rejected: [...batch.rejected, ...rejected] };
}

async function writeBatch<Row, B extends Batch<Row>>(
  sync: Sync<Row, B>,
  batch: B,
  run: Run,
  lease: Lease,
): Promise<void> {
  await commit(async (tx) => {
    const counts = { read: batch.rows.length + batch.rejected.length, rejected: batch.rejected.length };
    await moveCheckpoint(tx, lease, batch.next, counts);
    const changed = await sync.apply(tx, batch.rows, batch);
    const { read } = await addProgress(tx, run, { ...counts, ...changed }, batch.percent);
    await listRejected(tx, run.jobId, batch.rejected, read - batch.rejected.length);
  });
}

async function finish<Row, B extends Batch<Row>>(sync: Sync<Row, B>, run: Run, lease: Lease): Promise<void> {
  await commit(async (tx) => {
    const counts = await moveCheckpoint(tx, lease, null);
    assertFewRejected(counts, sync.maxRejectedShare ?? defaultMaxRejectedShare);
    const changed = await sync.finish?.(tx);
    const none: Counts = { read: 0, rejected: 0, applied: 0, unchanged: 0 };
    const { applied } = await addProgress(tx, run, { ...none, ...changed });
    if (applied >= staleStatisticsRows)
      await tx.query(`select platform.announce('rows_loaded', array['jobs:' || $1])`, [run.jobId]);
  });
}

/** @param before  how many rows of the job come before the rejected ones of this batch */
async function listRejected(
  tx: Transaction,
  jobId: string,
  rejected: readonly Rejected[],
  before: number,
): Promise<void> {
  if (rejected.length === 0) return;
  await tx.query(
    `insert into platform.rejected_rows (job_id, position, reason, data)
     select $1, position, reason, data from unnest($2::bigint[], $3::text[], $4::jsonb[]) as r (position, reason, data)
     on conflict (job_id, position) do nothing`,
    [
      jobId,
      rejected.map((one, i) => one.position ?? before + i + 1),
      rejected.map((one) => storable(one.reason)),
      rejected.map((one) => toJsonb(one.row ?? null)),
    ],
  );
}

function assertFewRejected({ read, rejected }: RowCounts, maxShare: number): void {
  if (rejected === 0 || rejected <= maxShare * read) return;
  const share = `${rejected} of ${read} rows were rejected, more than ${maxShare * 100} %`;
  throw new Integrity(`${share}. The others were applied. See the rejected rows of the job.`, {
    details: { read, rejected },
  });
}
