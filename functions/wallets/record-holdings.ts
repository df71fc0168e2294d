import type { Changed } from '../../shared/db/changed.ts';
import type { CopyValue } from '../../shared/db/copy-binary.ts';
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
 * One transaction at a time writes holdings: so what is not there when it looks is not there when it inserts, and the
 * insert needs no ON CONFLICT, which would take a third of its time.
 *
 * @source Snowflake WALLET_HOLDINGS, the imports `wallets.holdings` and `wallets.purchases`
 */
export async function recordHoldings(tx: Transaction, records: readonly HoldingRecord[]): Promise<Changed> {
  await lockHoldings(tx);
  // a batch's moments lie together: looking each up by its key beats reading the whole table
  await tx.query('set local random_page_cost = 1');
  await stageRows(tx, 'staged_holdings', columns, valuesOf(latestOfEach(records)));
  const { rows } = await tx.query<{ applied: number }>(`
    with told as materialized (
      select s.*, e.nft_id is not null as stands
      from pg_temp.staged_holdings s left join wallets.wallet_holdings e on e.nft_id = s.nft_id
      where e.nft_id is null
        or ((s.last_event_ts, coalesce(s.wallet_address, '')) >= (e.last_event_ts, coalesce(e.wallet_address, ''))
            and (s.wallet_address, s.is_locked, s.last_event_ts) is distinct from (e.wallet_address, e.is_locked, e.last_event_ts))
    ), updated as (
      update wallets.wallet_holdings h
      set wallet_address = t.wallet_address, is_locked = t.is_locked, last_event_ts = t.last_event_ts, last_synced_at = now()
      from told t where t.stands and h.nft_id = t.nft_id
      returning 1
    ), inserted as (
      insert into wallets.wallet_holdings (nft_id, wallet_address, is_locked, last_event_ts)
      select nft_id, wallet_address, is_locked, last_event_ts from told where not stands
      returning 1
    )
    select ((select count(*) from updated) + (select count(*) from inserted))::integer as applied`);
  const { applied } = rows[0]!;
  return { applied, unchanged: records.length - applied };
}

/** Holds off every other writer of holdings until the transaction ends. */
export async function lockHoldings(tx: Transaction): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('wallets.wallet_holdings', 0))`);
}

/** Of several records of a moment the one that counts, in the order they came. */
function latestOfEach(records: readonly HoldingRecord[]): Iterable<HoldingRecord> {
  const latest = new Map<string, HoldingRecord>();
  for (const one of records) {
    const known = latest.get(one.nftId);
    if (!known || isLater(one, known)) latest.set(one.nftId, one);
  }
  return latest.values();
}

function* valuesOf(records: Iterable<HoldingRecord>): Iterable<CopyValue[]> {
  for (const one of records) yield [one.nftId, one.wallet && toBytes(one.wallet), one.isLocked, one.lastEventMicros];
}

function isLater(one: HoldingRecord, known: HoldingRecord): boolean {
  if (one.lastEventMicros !== known.lastEventMicros) return one.lastEventMicros > known.lastEventMicros;
  return (one.wallet ?? '') >= (known.wallet ?? '');
}
