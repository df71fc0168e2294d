/**
 * What the syncs of tracked wallets have in common: they read all of a chain's wallets at one block. If a reorg removes
 * that block meanwhile, they read again at another one.
 */
import sql from 'sql-template-tag';
import * as z from 'zod';
import type { Changed } from '../../shared/db/changed.ts';
import { query } from '../../shared/db/read.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { isDue } from '../../shared/jobs/quarantine.ts';
import type { JobOutcome } from '../../shared/jobs/run-job.ts';
import { type Batch, runSync } from '../../shared/jobs/sync.ts';
import { InvalidInput, PositionExpired, RateLimited, TributaryError, Upstream } from '../../shared/kernel/errors.ts';
import { type JobDeclaration, jobNameOf } from '../../shared/kernel/job.ts';
import { count } from '../../shared/observability/metrics.ts';
import { type Block, type Chain, type ChainName, chainNames, getChain } from './sources/chain.ts';

export interface TrackedWallet {
  id: number;
  /** `0x…`, lower case. */
  address: string;
}

/** How a sync reads and records what a batch of wallets has on a chain. */
export interface WalletSync<Row> {
  job: JobDeclaration;
  chain: ChainName;
  walletsPerBatch: number;
  /** What the names of quarantined wallets begin with: `veAERO:`. One that fails on a chain is still read on the others. */
  quarantinePrefix: string;
  read(chain: Chain, block: Block, wallets: readonly TrackedWallet[]): Promise<Row[]>;
  apply(tx: Transaction, rows: readonly Row[]): Promise<Changed>;
}

/** The block that a sync reads at, and the last wallet that it has read. */
const storedPosition = z.object({
  number: z.string().transform(BigInt),
  hash: z.string(),
  time: z.iso.datetime().transform((text) => new Date(text)),
  afterWallet: z.number(),
});

const minuteMs = 60_000;
/** A sync that resumes later than this goes on at a new block. */
const maxBlockAgeMinutes = 10;
/** A node whose latest block is older than this has lost the chain. */
const maxHeadAgeMinutes = 30;
const maxClockDifferenceMinutes = 5;

/** Runs `work` for each chain. A chain whose node fails costs itself alone, and the result says why. */
export async function forEachChain(work: (chain: ChainName) => Promise<'done' | 'continue'>): Promise<JobOutcome> {
  const failures: Partial<Record<ChainName, TributaryError>> = {};
  for (const chain of chainNames) {
    try {
      if ((await work(chain)) === 'continue') return 'continue';
    } catch (error) {
      if (!isOfNode(error)) throw error;
      failures[chain] = error;
      count('ChainFailed', 'Count', 1, { chain });
    }
  }
  const failed = Object.values(failures);
  if (failed.length === chainNames.length) throw failed[0]!;
  const messages = Object.entries(failures).map(([chain, { message }]) => [chain, message]);
  return { result: { failures: Object.fromEntries(messages) } };
}

function isOfNode(error: unknown): error is TributaryError {
  if (error instanceof RateLimited || error instanceof InvalidInput) return true;
  return error instanceof TributaryError && (error.code === 'upstream' || error.code === 'deadline');
}

/** Reads and records what all tracked wallets have on a chain. */
export async function syncWallets<Row>(sync: WalletSync<Row>, run: Run): Promise<'done' | 'continue'> {
  return runSync<Row, Batch<Row>>(
    {
      name: `${jobNameOf(sync.job)}:${sync.chain}`,
      read: (position) => readBatches(sync, position),
      apply: (tx, rows) => sync.apply(tx, rows),
    },
    run,
  );
}

async function* readBatches<Row>(sync: WalletSync<Row>, position: unknown): AsyncIterable<Batch<Row>> {
  const chain = await getChain(sync.chain);
  const resumed = resume(position);
  const block = resumed ?? (await headOf(chain, sync.chain));
  for (let after = resumed?.afterWallet ?? 0; ; ) {
    const wallets = await nextWallets(sync, after);
    if (wallets.length === 0) return;
    after = wallets.at(-1)!.id;
    const rows = await sync.read(chain, block, wallets);
    if (!(await chain.isCanonical(block)))
      throw new PositionExpired(`Block ${block.number} of ${sync.chain} is no longer part of the chain.`);
    const next = { number: String(block.number), hash: block.hash, time: block.time.toISOString(), afterWallet: after };
    yield { rows, rejected: [], next: wallets.length < sync.walletsPerBatch ? null : next };
    if (wallets.length < sync.walletsPerBatch) return;
  }
}

/** @throws PositionExpired  the position is too old, or of another version */
function resume(position: unknown): (Block & { afterWallet: number }) | undefined {
  if (position === null) return undefined;
  const stored = storedPosition.safeParse(position).data;
  if (!stored || Date.now() - stored.time.getTime() > maxBlockAgeMinutes * minuteMs)
    throw new PositionExpired('The block of the stored position is too old.');
  return stored;
}

async function headOf(chain: Chain, name: ChainName): Promise<Block> {
  const head = await chain.getHead();
  const ageMinutes = (Date.now() - head.time.getTime()) / minuteMs;
  if (ageMinutes > maxHeadAgeMinutes || ageMinutes < -maxClockDifferenceMinutes)
    throw new Upstream(
      `The latest block of ${name} is of ${head.time.toISOString()}: its node does not follow the chain.`,
    );
  return head;
}

function nextWallets(
  { job, walletsPerBatch, quarantinePrefix }: Pick<WalletSync<unknown>, 'job' | 'walletsPerBatch' | 'quarantinePrefix'>,
  after: number,
): Promise<TrackedWallet[]> {
  return query<TrackedWallet>(
    sql`select id, portfolio.wallet_name(address) as address from portfolio.wallets
        where is_tracked and id > ${after} and ${isDue(job, sql`${quarantinePrefix}::text || portfolio.wallet_name(address)`)}
        order by id limit ${walletsPerBatch}`,
    'sync',
  );
}
