import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList, differ, setExcluded } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import { writeTiered } from '../../shared/db/tiers.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { positionKeyOf, recordPositions } from './record-positions.ts';

/** A governance lock when somebody looked. Amounts are decimal strings. */
export interface Lock {
  protocol: string;
  chain: string;
  lockId: string;
  /** `0x…`, lower case; null: not known. */
  wallet: string | null;
  tokenId: number | null;
  amount: string;
  /** Null: permanent. */
  unlockAt: Date | null;
  votingPower: string | null;
  asOf: Date;
  block: bigint | null;
}

const stagedLocks = new TemporaryTable('staged_locks', {
  position_id: 'integer',
  amount: 'numeric',
  unlock_at: 'timestamptz',
  voting_power: 'numeric',
  as_of: 'timestamptz',
  block: 'bigint',
});
const stagedSnapshots = new TemporaryTable('staged_position_snapshots', {
  position_id: 'integer',
  captured_at: 'timestamptz',
  amount: 'numeric',
  value_usd: 'numeric',
  unlock_at: 'timestamptz',
});
const micros = (time: Date) => BigInt(time.getTime()) * 1_000n;

/**
 * Records observations of governance locks: each as a snapshot of its position, the last ones as the locks of now. A lock
 * that is not mentioned keeps what it has: a source that lost its rows says nothing about them. A lock of nothing has
 * the amount zero.
 */
export async function recordLocks(tx: Transaction, locks: readonly Lock[]): Promise<Changed> {
  // the owner of the last observation counts
  const inOrder = [...locks].sort((a, b) => a.asOf.getTime() - b.asOf.getTime());
  const stale = await ownedLater(tx, inOrder);
  const positions = inOrder.map((one) => ({
    protocol: one.protocol,
    chain: one.chain,
    externalId: one.lockId,
    kind: 'lock' as const,
    wallet: stale.has(one) ? null : one.wallet,
    tokenId: one.tokenId,
  }));
  const ids = await recordPositions(tx, positions);
  const idOf = (i: number) => ids.get(positionKeyOf(positions[i]!))!;
  let next = 0;
  await stagedSnapshots.fill(tx, inOrder, (one) => ({
    position_id: idOf(next++),
    captured_at: micros(one.asOf),
    amount: one.amount,
    value_usd: null,
    unlock_at: one.unlockAt && micros(one.unlockAt),
  }));
  next = 0;
  await stagedLocks.fill(tx, inOrder, (one) => ({
    position_id: idOf(next++),
    amount: one.amount,
    unlock_at: one.unlockAt && micros(one.unlockAt),
    voting_power: one.votingPower,
    as_of: micros(one.asOf),
    block: one.block,
  }));
  await recordLatest(tx);
  const key = ['position_id', 'captured_at'] as const;
  const applied = await writeTiered(tx, 'portfolio.position_snapshots', key, stagedSnapshots);
  return { applied, unchanged: locks.length - applied };
}

/** The observations whose lock has a later one already, so that their owner is that of the past. */
async function ownedLater(tx: Transaction, locks: readonly Lock[]): Promise<ReadonlySet<Lock>> {
  const owned = locks.filter(({ wallet }) => wallet !== null);
  if (owned.length === 0) return new Set();
  const { rows } = await tx.query<{ n: string }>(
    `select given.n from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
       with ordinality as given (protocol, chain, lock_id, as_of, n)
       join portfolio.positions p on p.protocol = given.protocol and p.chain = given.chain and p.external_id = given.lock_id
       join portfolio.governance_locks l on l.position_id = p.id and l.as_of > given.as_of`,
    [
      owned.map(({ protocol }) => protocol),
      owned.map(({ chain }) => chain),
      owned.map(({ lockId }) => lockId),
      owned.map(({ asOf }) => asOf),
    ],
  );
  return new Set(rows.map(({ n }) => owned[Number(n) - 1]!));
}

async function recordLatest(tx: Transaction): Promise<void> {
  const values = stagedLocks.columnsExcept('position_id');
  await tx.query(sql`
    insert into portfolio.governance_locks as l (${columnList(stagedLocks.columns)})
    select ${columnList(stagedLocks.columns, 's')}
    from (select distinct on (position_id) * from ${stagedLocks} order by position_id, as_of desc, position desc) as s
      left join portfolio.governance_locks e on e.position_id = s.position_id
    where (e.position_id is null or s.as_of >= e.as_of) and ${differ(values, 'e', 's')}
    order by s.position_id
    on conflict (position_id) do update set ${setExcluded(values)} where excluded.as_of >= l.as_of`);
}
