import { commit } from '../changes/commit.ts';
import type { Changed } from '../db/changed.ts';
import { toJsonb } from '../db/json.ts';
import { findRefused, isRefusal } from '../db/refused-rows.ts';
import type { Transaction } from '../db/transaction.ts';
import { Integrity, PositionExpired, TributaryError } from '../kernel/errors.ts';
import { storable } from '../kernel/text.ts';
import { log } from '../observability/log.ts';
import { addProgress, type Counts, countsOf, type Run } from './job.ts';
import { type Lease, moveCheckpoint, releaseLease, takeLease } from './lease.ts';

/** A rejected row and the reason. */
export interface Rejected {
  /** Its line in the file, or its number in the run, from 1. */
  position: number;
  reason: string;
  row: unknown;
}

/** A batch from a source: its valid rows, its rejected rows, and where the next batch begins. */
export interface Batch<Row> {
  rows: Row[];
  /** The position of each row, as in `Rejected`. Default: its number in the run. */
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
}

/** From this many changed rows, the tables' statistics count as outdated. */
const staleStatisticsRows = 50_000;

/** The share of rejected rows above which a run fails. */
const maxRejectedShare = 0.01;

/**
 * Runs a sync from its checkpoint. Each batch is one transaction with its counts, its rejected rows, and the
 * checkpoint, so a crash repeats at most one batch, which changes nothing.
 *
 * Returns `continue` if the deadline passed first; the next run resumes from the checkpoint.
 *
 * If the source no longer knows the position (`PositionExpired`), the run reads again from the start.
 *
 * @throws Busy        another run is in progress (retryable)
 * @throws Superseded  another run took over this run's lease, or the job was cancelled
 * @throws Integrity   too many rows were rejected; the valid ones were applied, the others are listed
 */
export async function runSync<Row, B extends Batch<Row>>(sync: Sync<Row, B>, run: Run): Promise<'done' | 'continue'> {
  const lease = await takeLease(sync.name);
  try {
    if ((await applyBatches(sync, run, lease)) === 'continue') {
      await releaseLease(lease, 'keep');
      return 'continue';
    }
    await assertFewRejected(run);
    await finish(sync, run, lease);
    await releaseLease(lease, 'forget');
  } catch (error) {
    // a retry resumes from the checkpoint; after any other error the next run starts over
    const resumes = !(error instanceof TributaryError) || error.retryable;
    await releaseLease(lease, resumes ? 'keep' : 'forget').catch(() => {});
    throw error;
  }
  return 'done';
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
    await writeBatch(sync, await withoutRefused(batch, refused, run), run, lease);
  }
}

async function withoutRefused<Row, B extends Batch<Row>>(
  batch: B,
  refused: ReadonlyMap<Row, string>,
  { jobId }: Run,
): Promise<B> {
  const { read } = await countsOf(jobId);
  const rejected = batch.rows.flatMap((row, i) => {
    const reason = refused.get(row);
    return reason === undefined ? [] : [{ position: batch.positions?.[i] ?? read + i + 1, reason, row }];
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
    await moveCheckpoint(tx, lease, batch.next);
    const changed = await sync.apply(tx, batch.rows, batch);
    await listRejected(tx, run.jobId, batch.rejected);
    const counts: Counts = {
      read: batch.rows.length + batch.rejected.length,
      rejected: batch.rejected.length,
      ...changed,
    };
    await addProgress(tx, run, counts, batch.percent);
  });
}

async function finish<Row, B extends Batch<Row>>(sync: Sync<Row, B>, run: Run, lease: Lease): Promise<void> {
  const { applied } = await countsOf(run.jobId);
  if (!sync.finish && applied < staleStatisticsRows) return;
  await commit(async (tx) => {
    await moveCheckpoint(tx, lease, null);
    const changed = await sync.finish?.(tx);
    if (changed) await addProgress(tx, run, { read: 0, rejected: 0, ...changed });
    if (applied >= staleStatisticsRows)
      await tx.query(`select platform.announce('rows_loaded', array['jobs:' || $1])`, [run.jobId]);
  });
}

async function listRejected(tx: Transaction, jobId: string, rejected: readonly Rejected[]): Promise<void> {
  if (rejected.length === 0) return;
  await tx.query(
    `insert into platform.rejected_rows (job_id, position, reason, data)
     select $1, position, reason, data from unnest($2::bigint[], $3::text[], $4::jsonb[]) as r (position, reason, data)
     on conflict (job_id, position) do nothing`,
    [
      jobId,
      rejected.map((one) => one.position),
      rejected.map((one) => storable(one.reason)),
      rejected.map((one) => toJsonb(one.row ?? null)),
    ],
  );
}

async function assertFewRejected({ jobId }: Run): Promise<void> {
  const { read, rejected } = await countsOf(jobId);
  if (rejected === 0 || rejected <= maxRejectedShare * read) return;
  const share = `${rejected} of ${read} rows were rejected, more than ${maxRejectedShare * 100} %`;
  throw new Integrity(`${share}. The others were applied. See the rejected rows of the job.`, {
    details: { read, rejected },
  });
}
