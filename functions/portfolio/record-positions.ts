import sql from 'sql-template-tag';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { recordWallets } from './record-wallets.ts';

/** What identifies a position, and what is known about it. */
export interface PositionReference {
  protocol: string;
  chain: string;
  /** Its name in the protocol: the id of a lock. */
  externalId: string;
  kind: 'lock' | 'liquidity' | 'staking' | 'lending';
  /** `0x…`, lower case; null: not known. */
  wallet: string | null;
  tokenId: number | null;
}

/** A position's key in maps. */
export function positionKeyOf({ protocol, chain, externalId }: PositionReference): string {
  return JSON.stringify([protocol, chain, externalId]);
}

const stagedPositions = new TemporaryTable('staged_positions', {
  protocol: 'text',
  chain: 'text',
  external_id: 'text',
  kind: 'text',
  wallet_id: 'integer',
  token_id: 'integer',
});

/**
 * Creates the positions that are not known yet, and returns the ids of all by `positionKeyOf`. A known wallet or token
 * replaces the stored one; an unknown one does not.
 */
export async function recordPositions(
  tx: Transaction,
  positions: Iterable<PositionReference>,
): Promise<ReadonlyMap<string, number>> {
  const byKey = new Map<string, PositionReference>();
  for (const one of positions) {
    const known = byKey.get(positionKeyOf(one));
    byKey.set(positionKeyOf(one), {
      ...one,
      wallet: one.wallet ?? known?.wallet ?? null,
      tokenId: one.tokenId ?? known?.tokenId ?? null,
    });
  }
  const distinct = [...byKey.values()];
  const wallets = await recordWallets(
    tx,
    distinct.flatMap(({ wallet }) => (wallet === null ? [] : [wallet])),
  );
  await stagedPositions.fill(tx, distinct, (one) => ({
    protocol: one.protocol,
    chain: one.chain,
    external_id: one.externalId,
    kind: one.kind,
    wallet_id: one.wallet === null ? null : wallets.get(one.wallet)!,
    token_id: one.tokenId,
  }));
  // in the order of the key, so that two transactions never wait for each other
  await tx.query(sql`
    insert into portfolio.positions as p (protocol, chain, external_id, kind, wallet_id, token_id)
    select s.protocol, s.chain, s.external_id, s.kind, s.wallet_id, s.token_id
    from ${stagedPositions} s left join portfolio.positions e using (protocol, chain, external_id)
    where e.id is null or (coalesce(s.wallet_id, e.wallet_id), coalesce(s.token_id, e.token_id))
      is distinct from (e.wallet_id, e.token_id)
    order by s.protocol, s.chain, s.external_id
    on conflict (protocol, chain, external_id) do update set
      wallet_id = coalesce(excluded.wallet_id, p.wallet_id), token_id = coalesce(excluded.token_id, p.token_id)`);
  const { rows } = await tx.query<{ id: number; protocol: string; chain: string; external_id: string }>(sql`
    select p.id, p.protocol, p.chain, p.external_id
    from ${stagedPositions} s join portfolio.positions p using (protocol, chain, external_id)`);
  return new Map(
    rows.map(({ id, protocol, chain, external_id: externalId }) => [JSON.stringify([protocol, chain, externalId]), id]),
  );
}
