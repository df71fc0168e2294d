/**
 * Tests the cache's assumptions about the cluster: that a host shows every change it has proven to show
 * (`cache/proof.ts`), and that it correctly reports whether it is in recovery.
 *
 * A round creates the situation in which a proof could be wrong, and asks for it three times:
 *
 *     x begins and writes ─▶ y begins, writes, commits ─▶ the reader shows y
 *       ─▶ ask the reader: x is older than y, but has not committed. Any claim about x now is certainly false.
 *     x commits
 *       ─▶ ask the reader at once: x may or may not have arrived; a claim is true if it shows the row. Ask the primary.
 *     the reader shows x
 *       ─▶ ask the reader: now its proofs should hold, or they are useless.
 *
 * In all but the last rounds an even older transaction is open, as during a sync: then a reader's snapshot can prove
 * nothing, and the transaction status has to. In the last rounds it is not, so that the snapshot is tested too.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import sql from 'sql-template-tag';
import { type Proof, proofOf } from '../cache/proof.ts';
import { Unproven } from '../cache/view.ts';
import { log } from '../observability/log.ts';
import { translateDatabaseError } from './errors.ts';
import { commitWrite, type OpenWrite, openWrite } from './open-write.ts';
import { type Host, pool } from './pools.ts';
import { readFrom } from './read.ts';

/** How often a proof was claimed, refused, and falsely claimed (the row was not visible; also counted as claimed). */
export interface ProofCounts {
  claimed: number;
  refused: number;
  false: number;
}

export interface HostCounts {
  /** Results of `pg_is_in_recovery()`. */
  recovery: { right: number; wrong: number };
  proofs: Partial<Record<Proof, ProofCounts>>;
}

export interface CanaryReport {
  /** Rounds with an older transaction open (`held`), and without one (`quiet`). */
  rounds: { held: number; quiet: number };
  commits: number;
  /** Rounds in which the reader did not show a commit within `catchUpMs`. */
  behind: number;
  /** False if the deadline passed before the last round. */
  isComplete: boolean;
  elapsedMs: number;
  writer: HostCounts;
  /** `none`: the reader's address leads to the primary. */
  reader: HostCounts | 'none';
}

export interface CanaryOptions {
  /** When to stop. A round in progress may exceed it. */
  deadline: Date;
  /** Number of rounds with an older transaction open. Each commits twice. */
  heldRounds?: number;
  quietRounds?: number;
  /** How long to wait for the reader to show a commit, twice per round. */
  catchUpMs?: number;
  /** The age at which the older transaction is replaced by a new one. */
  replaceAfterMs?: number;
  /** The function under test. */
  prove?: typeof proofOf;
}

interface Run extends Required<CanaryOptions> {
  id: string;
  report: CanaryReport;
}

const pollMs = 2;

/**
 * Runs the rounds and returns the counts; a false claim does not stop them. When it returns, every transaction has
 * ended and the rows have been removed.
 *
 * @throws Unavailable  the primary or the reader did not respond (retryable)
 * @throws Deadline     a statement timed out (retryable)
 */
export async function runCanary(options: CanaryOptions): Promise<CanaryReport> {
  const startedAt = Date.now();
  const id = randomUUID();
  try {
    const report = emptyReport(!(await hasReader()));
    const defaults = { heldRounds: 500, quietRounds: 50, catchUpMs: 1_000, replaceAfterMs: 10_000, prove: proofOf };
    const run = { ...defaults, ...options, id, report };
    await runHeldRounds(run);
    while (report.rounds.quiet < run.quietRounds && isInTime(run)) {
      await runRound(run);
      report.rounds.quiet++;
    }
    report.isComplete = report.rounds.held === run.heldRounds && report.rounds.quiet === run.quietRounds;
    return { ...report, elapsedMs: Date.now() - startedAt };
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    await removeRows(id);
  }
}

function emptyReport(lacksReader: boolean): CanaryReport {
  const counts = (): HostCounts => ({ recovery: { right: 0, wrong: 0 }, proofs: {} });
  return {
    rounds: { held: 0, quiet: 0 },
    commits: 0,
    behind: 0,
    isComplete: false,
    elapsedMs: 0,
    writer: counts(),
    reader: lacksReader ? 'none' : counts(),
  };
}

const isInTime = ({ deadline }: Run) => Date.now() < deadline.getTime();

/** Whether the reader's address leads to a server of its own. In a cluster without readers, it leads to the primary. */
async function hasReader(): Promise<boolean> {
  const text = `select concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time()) as server`;
  const ask = async (host: Host) => (await (await pool(host)).query<{ server: string }>(text)).rows[0]!.server;
  return (await ask('writer')) !== (await ask('reader'));
}

/** Keeps an older transaction open throughout: the previous one ends only after the next has begun. */
async function runHeldRounds(run: Run): Promise<void> {
  const { rounds } = run.report;
  let older: OpenWrite | undefined;
  let openedAt = 0;
  try {
    while (rounds.held < run.heldRounds && isInTime(run)) {
      if (!older || Date.now() - openedAt >= run.replaceAfterMs) {
        const previous: OpenWrite | undefined = older;
        openedAt = Date.now();
        older = await openWrite(run.id);
        await previous?.rollback();
      }
      await runRound(run);
      rounds.held++;
    }
  } finally {
    await older?.rollback();
  }
}

async function runRound(run: Run): Promise<void> {
  const { report } = run;
  const x = await openWrite(run.id);
  try {
    const y = await commitWrite(run.id);
    report.commits++;
    const isCaughtUp = await readerShows(run, y);
    await askReader(run, x.xid);
    await x.commit();
    report.commits++;
    await askReader(run, x.xid);
    await askForSnapshot(run, 'writer', report.writer, x.xid);
    if (isCaughtUp && (await readerShows(run, x.xid))) await askReader(run, x.xid);
    else report.behind++;
  } finally {
    await x.rollback();
  }
}

const rowOf = (xid: number) => sql`select xid from platform.replica_canary where xid = ${String(xid)}::xid8`;

/** Whether the reader shows a transaction's row within `catchUpMs`. True if there is no reader. */
async function readerShows(run: Run, xid: number): Promise<boolean> {
  if (run.report.reader === 'none') return true;
  const until = Math.min(Date.now() + run.catchUpMs, run.deadline.getTime());
  for (;;) {
    if ((await readFrom('reader', rowOf(xid))).rows.length > 0) return true;
    if (Date.now() >= until) return false;
    await wait(pollMs);
  }
}

async function askReader(run: Run, xid: number): Promise<void> {
  const { reader } = run.report;
  if (reader === 'none') return;
  await askForSnapshot(run, 'reader', reader, xid);
  await askForStatus(run, reader, xid);
}

/** The primary's proof, or the reader's proof by snapshot: from the snapshot of the statement that read the row. */
async function askForSnapshot({ prove }: Run, host: Host, counts: HostCounts, xid: number): Promise<void> {
  const { evidence, rows } = await readFrom(host, rowOf(xid));
  counts.recovery[evidence.inRecovery === (host === 'reader') ? 'right' : 'wrong']++;
  const claim = prove(evidence, fencesOf(xid));
  record(counts, claim, host === 'writer' ? 'writer' : 'snapshot', rows.length > 0);
}

/** The proof by status: reads the status and then the row, in one transaction. */
async function askForStatus({ prove }: Run, counts: HostCounts, xid: number): Promise<void> {
  let claim: Proof | undefined;
  const observe: typeof proofOf = (evidence, fences) => {
    claim = prove(evidence, fences);
    return claim;
  };
  const fences = fencesOf(xid);
  const read = await readFrom('reader', rowOf(xid), fences, observe).catch((error: unknown) => {
    if (!(error instanceof Unproven)) throw error;
  });
  record(counts, claim, 'status', read !== undefined && read.rows.length > 0);
}

const fencesOf = (xid: number) => [{ forgotten: 0, xids: [xid] }];

/** A claim counts for the proof that was given, a refusal for the proof that was requested. */
function record({ proofs }: HostCounts, claim: Proof | undefined, asked: Proof, isShown: boolean): void {
  const proof = claim ?? asked;
  proofs[proof] ??= { claimed: 0, refused: 0, false: 0 };
  const counts = proofs[proof];
  counts[claim ? 'claimed' : 'refused']++;
  if (claim && !isShown) counts.false++;
}

/** Removes the rows of this run and of killed ones. Remaining rows do no harm. */
async function removeRows(run: string): Promise<void> {
  const text = `delete from platform.replica_canary where run = $1 or written_at < now() - interval '1 hour'`;
  await pool('writer')
    .then((writer) => writer.query(text, [run]))
    .catch((error: unknown) => log.warn('canary rows not removed', { error }));
}
