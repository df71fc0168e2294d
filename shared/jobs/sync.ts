import { commit } from '../changes/commit.ts';
import type { Changed } from '../db/changed.ts';
import type { Transaction } from '../db/transaction.ts';
import { Integrity, TributaryError } from '../kernel/errors.ts';
import { addProgress, type Counts, countsOf, type Run } from './job.ts';
import { type Lease, moveCheckpoint, releaseLease, takeLease } from './lease.ts';

/** A row that could not be taken, and why. */
export interface Rejected {
  /** Where it was: the line of a file, counted from 1, or the row's number in the run. */
  position: number;
  reason: string;
  row: unknown;
}

/** One batch of a source: its good rows, its bad rows, and where the next one begins. */
export interface Batch<Row> {
  rows: Row[];
  rejected: Rejected[];
  /** The position after this batch; null at the end. */
  next: unknown;
  /** 0 to 100, where it is known. */
  percent?: number;
}

/** A resumable loop over a source: what it reads, and how a batch is applied. */
export interface Sync<Row, B extends Batch<Row> = Batch<Row>> {
  /** Names the checkpoint: one run at a time. */
  name: string;
  /** The batches from a position on (null: the beginning), in order. */
  read(position: unknown): AsyncIterable<B>;
  /** Applies a batch; repeating it must change nothing. */
  apply(tx: Transaction, rows: Row[], batch: B): Promise<Changed>;
  /** After the last batch, in its own transaction; not where too many rows were rejected. */
  finish?(tx: Transaction): Promise<Changed | undefined>;
  /** Share of rejected rows from which the run fails; 0.01 unless told. */
  maxRejectedShare?: number;
}

/** Changed rows from which statistics are taken to be out of date. */
const manyRows = 50_000;

/**
 * Runs a sync from its checkpoint: each batch, its counts, its rejected rows and the checkpoint in one transaction. A
 * crash repeats at most one batch, which changes nothing.
 *
 * `continue`: the deadline has come first; the checkpoint stands for the continuation.
 *
 * @throws Superseded  another run is at work, or took this one's lease over
 * @throws Integrity   too large a share of rows was rejected; the good ones stand, the bad ones are listed
 */
export async function runSync<Row, B extends Batch<Row>>(sync: Sync<Row, B>, run: Run): Promise<'done' | 'continue'> {
  const lease = await takeLease(sync.name);
  try {
    for await (const batch of sync.read(lease.position)) {
      await applyBatch(sync, batch, run, lease);
      if (batch.next !== null && Date.now() >= run.deadline.getTime()) {
        await releaseLease(lease, 'keep');
        return 'continue';
      }
    }
    await refuseTooManyRejected(sync, run);
    await finish(sync, run, lease);
    await releaseLease(lease, 'forget');
  } catch (error) {
    // what can be tried again goes on from its checkpoint, what cannot begins anew
    const resumes = !(error instanceof TributaryError) || error.retryable;
    await releaseLease(lease, resumes ? 'keep' : 'forget').catch(() => {});
    throw error;
  }
  return 'done';
}

async function applyBatch<Row, B extends Batch<Row>>(
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
  if (!sync.finish && applied < manyRows) return;
  await commit(async (tx) => {
    await moveCheckpoint(tx, lease, null);
    const changed = await sync.finish?.(tx);
    if (changed) await addProgress(tx, run, { read: 0, rejected: 0, ...changed });
    if (applied >= manyRows)
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
      rejected.map((one) => one.reason),
      rejected.map((one) => JSON.stringify(one.row ?? null)),
    ],
  );
}

async function refuseTooManyRejected(
  { maxRejectedShare = 0.01 }: { maxRejectedShare?: number },
  { jobId }: Run,
): Promise<void> {
  const { read, rejected } = await countsOf(jobId);
  if (rejected === 0 || rejected <= maxRejectedShare * read) return;
  const share = `${rejected} of ${read} rows were rejected, more than ${maxRejectedShare * 100} %`;
  throw new Integrity(`${share}; the others were applied.`, { details: { read, rejected } });
}
