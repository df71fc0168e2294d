import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Run } from '../../shared/jobs/job.ts';
import { quarantine, release } from '../../shared/jobs/quarantine.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { jobNameOf } from '../../shared/kernel/job.ts';
import { jobs } from './jobs.ts';
import { recordLocks } from './record-locks.ts';
import { recordTokens, tokenKeyOf } from './record-tokens.ts';
import type { Block } from './sources/chain.ts';
import { type EscrowDeclaration, type EscrowLock, veAeroEscrow, veCrvEscrow } from './sources/locks.ts';
import { forEachChain, syncWallets } from './sync-wallets.ts';
import { toDecimal } from './token-amount.ts';

interface ReadLock extends EscrowLock {
  block: Block;
  /** Of a burned lock: when it would have ended. */
  unlockAt: Date | null;
}

const source = jobNameOf(jobs.syncLocks);
const walletsPerBatch = 200;
/** A lock that ends later is not one: Curve and Aerodrome allow four years. */
const maxEndSeconds = 253_402_300_799n;
const escrows = { base: veAeroEscrow, ethereum: veCrvEscrow };

/**
 * Records the governance locks of the tracked wallets, per chain at one block. A lock that was withdrawn or merged becomes one
 * of nothing, and one that was transferred gets its new owner.
 *
 * @source Multicall3 of the escrows of veAERO and veCRV
 */
export const syncLocks = handleJob(jobs.syncLocks, async ({ step, ...run }) =>
  forEachChain(async (chain) => {
    await step(chain);
    return syncEscrow(escrows[chain], run);
  }),
);

function syncEscrow(escrow: EscrowDeclaration, run: Run): Promise<'done' | 'continue'> {
  const { protocol, chain } = escrow;
  const unitOf = (name: string) => `${protocol}:${name}`;
  return syncWallets<ReadLock>(
    {
      job: jobs.syncLocks,
      chain,
      walletsPerBatch,
      quarantinePrefix: unitOf(''),
      async read(client, block, wallets) {
        const accounts = wallets.map(({ address }) => address);
        const held = await heldLocks(escrow, accounts);
        const { locks, failures } = await escrow.read(client, block, accounts, [...held.keys()]);
        const absurd = locks.filter(({ endSeconds, amount }) => (endSeconds ?? 0n) > maxEndSeconds || amount < 0n);
        const failed = [
          ...failures.map(({ unit, reason }) => ({ unit: unitOf(unit), reason })),
          ...absurd.map(({ id, endSeconds, amount }) => ({
            unit: unitOf(id),
            reason: `A lock of ${amount} that ends at ${endSeconds} is none.`,
          })),
        ];
        await quarantine(source, run.jobId, failed);
        const isFailed = new Set(failed.map(({ unit }) => unit));
        const read = [...accounts, ...locks.map(({ id }) => id)].map(unitOf);
        await release(
          source,
          read.filter((unit) => !isFailed.has(unit)),
        );
        return locks
          .filter((lock) => !absurd.includes(lock))
          .map((lock) => ({ ...lock, block, unlockAt: unlockOf(lock, held.get(lock.id)) }));
      },
      apply: (tx, rows) => recordEscrow(tx, escrow, rows),
    },
    run,
  );
}

async function recordEscrow(tx: Transaction, escrow: EscrowDeclaration, rows: readonly ReadLock[]) {
  const { protocol, chain, decimals } = escrow;
  const token = { chain, address: toBytes(escrow.token.address), symbol: escrow.token.symbol };
  const ids = rows.length === 0 ? undefined : await recordTokens(tx, [token]);
  return recordLocks(
    tx,
    rows.map(({ id, owner, amount, unlockAt, votingPower, block }) => ({
      protocol,
      chain,
      lockId: id,
      wallet: owner,
      tokenId: ids!.get(tokenKeyOf(token))!,
      amount: toDecimal(amount, decimals),
      unlockAt,
      votingPower: toDecimal(votingPower, decimals),
      asOf: block.time,
      block: block.number,
    })),
  );
}

/** The locks that the accounts had last, with their ends. */
async function heldLocks(
  { protocol, chain }: EscrowDeclaration,
  accounts: readonly string[],
): Promise<Map<string, Date | null>> {
  const rows = await query<{ id: string; unlockAt: Date | null }>(
    sql`select p.external_id as id, l.unlock_at as "unlockAt"
        from portfolio.wallets w join portfolio.positions p on p.wallet_id = w.id
          join portfolio.governance_locks l on l.position_id = p.id
        where w.address = any(${accounts.map(toBytes)}) and p.protocol = ${protocol} and p.chain = ${chain}
          and p.kind = 'lock' and l.amount > 0`,
    'sync',
  );
  return new Map(rows.map(({ id, unlockAt }) => [id, unlockAt]));
}

function unlockOf({ amount, endSeconds }: EscrowLock, before: Date | null | undefined): Date | null {
  if (endSeconds !== null) return new Date(Number(endSeconds) * 1_000);
  // a lock of nothing has no end, which would read as permanent
  return amount === 0n ? (before ?? null) : null;
}
