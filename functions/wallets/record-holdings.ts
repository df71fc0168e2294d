import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** The holder of a moment as of the moment's last event. */
export interface HoldingRecord {
  /** A uint64 below 2^63, in decimal. */
  nftId: string;
  /** Null if sold to an unknown wallet. */
  wallet: string | null;
  /** Undefined if the source does not say: a moment stays locked as long as its holder has it. */
  isLocked: boolean | undefined;
  /** In microseconds since 1970. */
  lastEventMicros: bigint;
}

const stagedHoldings = new TemporaryTable(
  'staged_holdings',
  {
    nft_id: 'bigint',
    wallet_address: 'bytea',
    is_locked: 'boolean',
    last_event_ts: 'timestamptz',
  },
  // analyzing the others would take a tenth of the time of unchanged rows
  ['nft_id'],
);
const isLocked = sql`coalesce(s.is_locked, e.is_locked and e.wallet_address = s.wallet_address, false)`;

/**
 * Stores the holders of moments. The latest event of a moment counts, in any order of arrival. Of simultaneous events, one
 * with a known wallet counts, then the one with the higher address. Unchanged holdings are not written.
 *
 * A lock admits one writer of holdings at a time, so a row that the statement does not find cannot appear before it
 * inserts. That avoids ON CONFLICT, which would take a third of the statement's time.
 *
 * @source Snowflake WALLET_HOLDINGS, the imports `wallets.holdings` and `wallets.purchases`
 */
export async function recordHoldings(tx: Transaction, records: readonly HoldingRecord[]): Promise<Changed> {
  await lockHoldings(tx);
  // the moments of a batch are neighbors in the table, so index lookups beat a sequential scan
  await tx.query('set local random_page_cost = 1');
  await stagedHoldings.fill(tx, latestOfEach(records), (one) => ({
    nft_id: one.nftId,
    wallet_address: one.wallet === null ? null : toBytes(one.wallet),
    is_locked: one.isLocked,
    last_event_ts: one.lastEventMicros,
  }));
  const { rows } = await tx.query<{ applied: number }>(sql`
    with changed as materialized (
      select s.nft_id, s.wallet_address, ${isLocked} as is_locked, s.last_event_ts, e.nft_id is not null as is_stored
      from ${stagedHoldings} s left join wallets.wallet_holdings e on e.nft_id = s.nft_id
      where e.nft_id is null
        or ((s.last_event_ts, coalesce(s.wallet_address, '')) >= (e.last_event_ts, coalesce(e.wallet_address, ''))
            and (s.wallet_address, ${isLocked}, s.last_event_ts) is distinct from (e.wallet_address, e.is_locked, e.last_event_ts))
    ), updated as (
      update wallets.wallet_holdings h
      set wallet_address = c.wallet_address, is_locked = c.is_locked, last_event_ts = c.last_event_ts, last_synced_at = now()
      from changed c where c.is_stored and h.nft_id = c.nft_id
      returning 1
    ), inserted as (
      insert into wallets.wallet_holdings (${columnList(stagedHoldings.columns)})
      select ${columnList(stagedHoldings.columns)} from changed where not is_stored
      returning 1
    )
    select ((select count(*) from updated) + (select count(*) from inserted))::integer as applied`);
  const { applied } = rows[0]!;
  return { applied, unchanged: records.length - applied };
}

/** Blocks every other writer of holdings until the transaction ends. */
export async function lockHoldings(tx: Transaction): Promise<void> {
  await tx.query('select wallets.lock_holdings()');
}

/** The record that counts for each moment, in order of arrival. */
function latestOfEach(records: readonly HoldingRecord[]): Iterable<HoldingRecord> {
  const latest = new Map<string, HoldingRecord>();
  for (const one of records) {
    const known = latest.get(one.nftId);
    if (!known || isLater(one, known)) latest.set(one.nftId, one);
  }
  return latest.values();
}

function isLater(one: HoldingRecord, known: HoldingRecord): boolean {
  if (one.lastEventMicros !== known.lastEventMicros) return one.lastEventMicros > known.lastEventMicros;
  return (one.wallet ?? '') >= (known.wallet ?? '');
}
