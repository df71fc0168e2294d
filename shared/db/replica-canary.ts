/**
 * Asks the cluster whether what the cache believes of its hosts is true: that a host shows each change it has proven to
 * show (`cache/proof.ts`), and says truly whether it is in recovery.
 *
 * A round makes the case in which a proof could err, and asks for it three times:
 *
 *     x begins and writes ─▶ y begins, writes, commits ─▶ the reader shows y
 *       ─▶ ask the reader: for it x, which is older than y, has not committed. Who claims x now is wrong, for certain.
 *     x commits
 *       ─▶ ask the reader at once: x may or may not have arrived; a claim is right if the row is there. Ask the writer.
 *     the reader shows x
 *       ─▶ ask the reader: now its proofs should hold, or they are useless.
 *
 * In all but the last rounds a still older transaction is open, as under a sync: a reader's snapshot can prove nothing
 * then, and its status has to. In the last ones it is not, so that the snapshot proves something too.
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

/** How often a proof was claimed, refused, and claimed although the row was not there (these are claims as well). */
export interface ProofCounts {
  claimed: number;
  refused: number;
  false: number;
}

export interface HostCounts {
  /** Answers of `pg_is_in_recovery()`. */
  recovery: { right: number; wrong: number };
  proofs: Partial<Record<Proof, ProofCounts>>;
}

export interface CanaryReport {
  /** Rounds with an older transaction open, and without. */
  rounds: { held: number; quiet: number };
  commits: number;
  /** Rounds in which the reader did not show a commit within the time it was given. */
  behind: number;
  /** False if the deadline came before the last round. */
  isComplete: boolean;
  elapsedMs: number;
  writer: HostCounts;
  /** `none`: the reader's address leads to the writer. */
  reader: HostCounts | 'none';
}

export interface CanaryOptions {
  /** When to stop; at most one round and its waiting later. */
  deadline: Date;
  /** Rounds with an older transaction open; each commits twice. */
  heldRounds?: number;
  quietRounds?: number;
  /** How long the reader is waited for, twice in a round. */
  catchUpMs?: number;
  /** The age at which the older transaction is replaced, after the next one has begun. */
  replaceAfterMs?: number;
  /** What is judged. */
  prove?: typeof proofOf;
}

interface Run extends Required<CanaryOptions> {
  id: string;
  report: CanaryReport;
}

const pollMs = 2;

/**
 * Runs the rounds and gives what was counted; a claim that is false does not end them. Every transaction has ended then,
 * and the rows are gone.
 *
 * @throws Unavailable  the writer or the reader did not answer (retryable)
 * @throws Deadline     a statement took too long (retryable)
 */
export async function runCanary(options: CanaryOptions): Promise<CanaryReport> {
  const startedAt = Date.now();
  const id = randomUUID();
  try {
    const report = emptyReport(await leadsToWriter());
    const defaults = { heldRounds: 500, quietRounds: 50, catchUpMs: 1_000, replaceAfterMs: 10_000, prove: proofOf };
    const run = { ...defaults, ...options, id, report };
    await playHeldRounds(run);
    while (report.rounds.quiet < run.quietRounds && isInTime(run)) {
      await playRound(run);
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

function emptyReport(isReaderNone: boolean): CanaryReport {
  const counts = (): HostCounts => ({ recovery: { right: 0, wrong: 0 }, proofs: {} });
  return {
    rounds: { held: 0, quiet: 0 },
    commits: 0,
    behind: 0,
    isComplete: false,
    elapsedMs: 0,
    writer: counts(),
    reader: isReaderNone ? 'none' : counts(),
  };
}

const isInTime = ({ deadline }: Run) => Date.now() < deadline.getTime();

/** Whether the reader's address leads to the writer's server: a cluster without readers, or a stage that has none. */
async function leadsToWriter(): Promise<boolean> {
  const text = `select concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time()) as server`;
  const ask = async (host: Host) => (await (await pool(host)).query<{ server: string }>(text)).rows[0]!.server;
  return (await ask('writer')) === (await ask('reader'));
}

/** An older transaction is open at any time of these; the one before is ended only when the next has begun. */
async function playHeldRounds(run: Run): Promise<void> {
  const { rounds } = run.report;
  let older: OpenWrite | undefined;
  let openedAt = 0;
  try {
    while (rounds.held < run.heldRounds && isInTime(run)) {
      if (!older || Date.now() - openedAt >= run.replaceAfterMs) {
        const before: OpenWrite | undefined = older;
        openedAt = Date.now();
        older = await openWrite(run.id);
        await before?.rollback();
      }
      await playRound(run);
      rounds.held++;
    }
  } finally {
    await older?.rollback();
  }
}

async function playRound(run: Run): Promise<void> {
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

/** Whether the reader shows what a transaction wrote, within the time it is given; true if there is no reader. */
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

/** Proof 1 of the writer, proof 2 of the reader: from the snapshot of the very statement that read the row. */
async function askForSnapshot({ prove }: Run, host: Host, counts: HostCounts, xid: number): Promise<void> {
  const { evidence, rows } = await readFrom(host, rowOf(xid));
  counts.recovery[evidence.inRecovery === (host === 'reader') ? 'right' : 'wrong']++;
  const claim = prove(evidence, fencesOf(xid));
  record(counts, claim, host === 'writer' ? 'writer' : 'snapshot', rows.length > 0);
}

/** Proof 3: the status, and then the row, in one transaction. */
async function askForStatus({ prove }: Run, counts: HostCounts, xid: number): Promise<void> {
  let claim: Proof | undefined;
  const listen: typeof proofOf = (evidence, fences) => {
    claim = prove(evidence, fences);
    return claim;
  };
  const fences = fencesOf(xid);
  const read = await readFrom('reader', rowOf(xid), fences, listen).catch((error: unknown) => {
    if (!(error instanceof Unproven)) throw error;
  });
  record(counts, claim, 'status', read !== undefined && read.rows.length > 0);
}

const fencesOf = (xid: number) => [{ forgotten: 0, xids: [xid] }];

/** A claim counts for the proof that made it, a refusal for the one that was asked for. */
function record({ proofs }: HostCounts, claim: Proof | undefined, asked: Proof, isShown: boolean): void {
  const proof = claim ?? asked;
  proofs[proof] ??= { claimed: 0, refused: 0, false: 0 };
  const counts = proofs[proof];
  counts[claim ? 'claimed' : 'refused']++;
  if (claim && !isShown) counts.false++;
}

/** Removes the rows of a run, and what a run that was killed left behind. Rows that stay do no harm. */
async function removeRows(run: string): Promise<void> {
  const text = `delete from platform.replica_canary where run = $1 or written_at < now() - interval '1 hour'`;
  await pool('writer')
    .then((writer) => writer.query(text, [run]))
    .catch((error: unknown) => log.warn('the rows of a canary were left for the next run', { error }));
}
