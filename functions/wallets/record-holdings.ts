import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** Who held a moment as of its last event. */
export interface HoldingRecord {
  /** A uint64 below 2^63, in decimal. */
  nftId: string;
  /** Null: it was sold to somebody nobody knows. */
  wallet: string | null;
  isLocked: boolean;
  /** In microseconds since 1970. */
  lastEventMicros: bigint;
}

const columns = {
  nft_id: 'bigint',
  wallet_address: 'bytea',
  is_locked: 'boolean',
  last_event_ts: 'timestamptz',
} as const;

/**
 * Records who holds moments: of what is told of one moment the latest event counts, in whatever order they come; of
 * events at one time one with a known wallet, then the higher address. What stands already is not written again.
 *
 * @source Snowflake WALLET_HOLDINGS, the imports `wallets.holdings` and `wallets.purchases`
 */
export async function recordHoldings(tx: Transaction, records: readonly HoldingRecord[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_holdings',
    columns,
    records.map((one) => [one.nftId, one.wallet && toBytes(one.wallet), one.isLocked, one.lastEventMicros]),
  );
  const { rowCount } = await tx.query(upsertStagedHoldings);
  const applied = rowCount ?? 0;
  return { applied, unchanged: records.length - applied };
}

/** The statement, for the bench to run by itself. */
export const upsertStagedHoldings = `
  insert into wallets.wallet_holdings as h (nft_id, wallet_address, is_locked, last_event_ts)
  select nft_id, wallet_address, is_locked, last_event_ts
  from (
    select distinct on (s.nft_id) s.*
    from pg_temp.staged_holdings s left join wallets.wallet_holdings e on e.nft_id = s.nft_id
    where e.nft_id is null
      or ((s.last_event_ts, coalesce(s.wallet_address, '')) >= (e.last_event_ts, coalesce(e.wallet_address, ''))
          and (s.wallet_address, s.is_locked, s.last_event_ts) is distinct from (e.wallet_address, e.is_locked, e.last_event_ts))
    order by s.nft_id, s.last_event_ts desc, coalesce(s.wallet_address, '') desc, s.position desc
  ) as latest
  on conflict (nft_id) do update
    set wallet_address = excluded.wallet_address, is_locked = excluded.is_locked, last_event_ts = excluded.last_event_ts,
      last_synced_at = now()
    where (excluded.last_event_ts, coalesce(excluded.wallet_address, '')) >= (h.last_event_ts, coalesce(h.wallet_address, ''))`;
