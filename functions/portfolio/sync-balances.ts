import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { assertFewQuarantined, isDue, quarantine, release } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { recordBalances } from './record-balances.ts';
import { erc20 } from './sources/abis.ts';
import type { Block, CallResult, Chain, ChainName } from './sources/chain.ts';
import { forEachChain, syncWallets, type TrackedWallet } from './sync-wallets.ts';
import { toDecimal } from './token-amount.ts';

interface ChainToken {
  id: number;
  key: string;
  /** `0x…`, lower case. */
  address: string;
  /** Null: not known yet. */
  decimals: number | null;
}

/** A token with what its contract says of its unit. */
type KnownToken = ChainToken & { decimals: number };

interface ReadBalance {
  wallet: string;
  token: KnownToken;
  amount: bigint;
  block: Block;
}

const source = jobNameOf(jobs.syncBalances);
const callsPerBatch = 2_000;
const maxDecimals = 77;

/**
 * Records what the tracked wallets hold of all ERC-20 tokens that are known by their contracts, per chain at one block.
 *
 * A token whose calls all fail is quarantined, and else the wallet's share of it alone.
 *
 * @throws Integrity  more than 5% of the tokens failed for the first time; all others were recorded
 * @source Multicall3 of ERC-20 balanceOf and decimals
 */
export const syncBalances = handleJob(jobs.syncBalances, async ({ step, ...run }) => {
  let asked = 0;
  const outcome = await forEachChain(async (chain) => {
    await step(chain);
    const tokens = await dueTokens(chain);
    asked += tokens.length;
    return tokens.length === 0 ? 'done' : syncChain(chain, tokens, run);
  });
  if (outcome !== 'continue') await assertFewQuarantined(source, run, asked);
  return outcome;
});

function dueTokens(chain: ChainName): Promise<ChainToken[]> {
  return query<ChainToken>(
    sql`select t.id, t.key, '0x' || encode(t.address, 'hex') as address, t.decimals from portfolio.tokens t
        where t.chain = ${chain} and t.address is not null and ${isDue(jobs.syncBalances, sql`t.key`)} order by t.id`,
    'sync',
  );
}

function syncChain(chain: ChainName, tokens: readonly ChainToken[], run: Run): Promise<'done' | 'continue'> {
  let known: KnownToken[] | undefined;
  return syncWallets<ReadBalance>(
    {
      job: jobs.syncBalances,
      chain,
      walletsPerBatch: Math.max(1, Math.floor(callsPerBatch / tokens.length)),
      // only tokens are quarantined, and the shares of wallets in them
      quarantinePrefix: '',
      async read(client, block, wallets) {
        known ??= await withDecimals(client, block, tokens, run);
        return readBalances(client, block, wallets, known, run);
      },
      async apply(tx, rows) {
        await recordDecimals(tx, rows);
        const observed = rows.map(({ wallet, token, amount, block }) => ({
          wallet,
          token: { chain, address: toBytes(token.address), symbol: null },
          balance: toDecimal(amount, token.decimals),
          asOf: block.time,
          block: block.number,
        }));
        return recordBalances(tx, observed);
      },
    },
    run,
  );
}

/** Asks the contracts of tokens whose unit is not known. One without an answer is quarantined. */
async function withDecimals(
  client: Chain,
  block: Block,
  tokens: readonly ChainToken[],
  { jobId }: Run,
): Promise<KnownToken[]> {
  const unknown = tokens.filter(({ decimals }) => decimals === null);
  const calls = unknown.map(({ address }) => ({ address, abi: erc20, functionName: 'decimals' }));
  const results = await client.callAt(block, calls);
  const found = new Map<number, number>();
  const failures = unknown.flatMap(({ id, key }, i) => {
    const result = results[i]!;
    const decimals = 'value' in result ? Number(result.value) : Number.NaN;
    if (decimals <= maxDecimals) found.set(id, decimals);
    if (decimals <= maxDecimals) return [];
    return [{ unit: key, reason: 'failed' in result ? result.failed : `${decimals} decimals are not supported.` }];
  });
  await quarantine(source, jobId, failures);
  return tokens.flatMap((token) => {
    const decimals = token.decimals ?? found.get(token.id);
    return decimals === undefined ? [] : [{ ...token, decimals }];
  });
}

async function readBalances(
  client: Chain,
  block: Block,
  wallets: readonly TrackedWallet[],
  tokens: readonly KnownToken[],
  run: Run,
): Promise<ReadBalance[]> {
  const pairs = await duePairs(wallets, tokens);
  const calls = pairs.map(({ wallet, token }) => ({
    address: token.address,
    abi: erc20,
    functionName: 'balanceOf',
    args: [wallet],
  }));
  const results = await client.callAt(block, calls);
  const answered = pairs.map((pair, i) => ({ ...pair, result: results[i]! }));
  await quarantineFailed(answered, run);
  return answered.flatMap(({ wallet, token, result }) =>
    'value' in result ? [{ wallet, token, amount: result.value as bigint, block }] : [],
  );
}

interface Pair {
  wallet: string;
  token: KnownToken;
}

const unitOf = ({ wallet, token }: Pair) => `${token.key} of ${wallet}`;

async function duePairs(wallets: readonly TrackedWallet[], tokens: readonly KnownToken[]): Promise<Pair[]> {
  const pairs = wallets.flatMap(({ address }) => tokens.map((token) => ({ wallet: address, token })));
  const units = pairs.map(unitOf);
  const due = await query<{ unit: string }>(
    sql`select p.unit from unnest(${units}::text[]) as p (unit) where ${isDue(jobs.syncBalances, sql`p.unit`)}`,
    'sync',
  );
  const isNow = new Set(due.map(({ unit }) => unit));
  return pairs.filter((pair) => isNow.has(unitOf(pair)));
}

async function quarantineFailed(answered: readonly (Pair & { result: CallResult })[], { jobId }: Run): Promise<void> {
  const works = new Set(answered.flatMap(({ token, result }) => ('value' in result ? [token.key] : [])));
  const failures = answered.flatMap(({ result, ...pair }) =>
    'failed' in result
      ? [{ unit: works.has(pair.token.key) ? unitOf(pair) : pair.token.key, reason: result.failed }]
      : [],
  );
  await quarantine(source, jobId, failures);
  const answeredUnits = answered.flatMap(({ result, ...pair }) => ('value' in result ? [unitOf(pair)] : []));
  await release(source, [...works, ...answeredUnits]);
}

async function recordDecimals(tx: Transaction, rows: readonly ReadBalance[]): Promise<void> {
  const tokens = [...new Map(rows.map(({ token }) => [token.id, token.decimals]))];
  await tx.query(
    `update portfolio.tokens t set decimals = given.decimals
     from unnest($1::integer[], $2::smallint[]) as given (id, decimals) where t.id = given.id and t.decimals is null`,
    [tokens.map(([id]) => id), tokens.map(([, decimals]) => decimals)],
  );
}
