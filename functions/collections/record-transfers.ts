import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList, differ } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { lockCollections } from './record-collection.ts';

/** One transfer of one token. */
export interface TransferRecord {
  collection: string;
  /** The collection's standard according to the source, for a collection whose standard is not stored yet. */
  tokenType?: 'ERC721' | 'ERC1155' | undefined;
  tokenId: string;
  blockNumber: number;
  transactionHash: string;
  /** Undefined if the source omits it. A row that has it, earlier or later, is the same transfer. */
  logIndex?: number | undefined;
  /** The token's place within an ERC-1155 batch. */
  batchIndex?: number | undefined;
  from: string;
  to: string;
  amount?: string | undefined;
  priceEth?: string | undefined;
  priceUsd?: string | undefined;
  timestamp?: Date | undefined;
  /** From webhooks only: the block, and the time of the report. */
  blockHash?: string | undefined;
  reportedAt?: Date | undefined;
}

const stagedTransfers = new TemporaryTable('staged_transfers', {
  collection_id: 'integer',
  token_id: 'numeric',
  block_number: 'bigint',
  transaction_hash: 'bytea',
  log_index: 'integer',
  batch_index: 'smallint',
  from_address: 'bytea',
  to_address: 'bytea',
  amount: 'numeric',
  price_eth: 'numeric',
  price_usd: 'numeric',
  block_timestamp: 'timestamptz',
  block_hash: 'bytea',
  reported_at: 'timestamptz',
});
const transferColumns = stagedTransfers.columnsExcept('collection_id', 'token_id');

/**
 * Stores transfers; triggers derive the owners and announce both.
 *
 * The same transfers produce the same owners, in any order and any number of times. Transaction, log index, batch index,
 * and token identify a transfer. Without a log index, transaction, token, parties, and amount do, so two such transfers
 * in one transaction count once. Creates missing collections and tokens.
 *
 * @throws Integrity  a value violates a constraint of the tables
 * @source Alchemy webhooks and alchemy_getAssetTransfers, or the import `collections.transfers`
 */
export async function recordTransfers(tx: Transaction, rows: readonly TransferRecord[]): Promise<Changed> {
  if (rows.length === 0) return { applied: 0, unchanged: 0 };
  const ids = await lockCollections(
    tx,
    rows.map(({ collection }) => collection),
  );
  await storeTokenTypes(tx, rows, ids);
  await stagedTransfers.fill(tx, rows, (row) => ({
    collection_id: ids.get(row.collection),
    token_id: row.tokenId,
    block_number: row.blockNumber,
    transaction_hash: toBytes(row.transactionHash),
    log_index: row.logIndex ?? -1,
    batch_index: row.batchIndex ?? 0,
    from_address: toBytes(row.from),
    to_address: toBytes(row.to),
    amount: row.amount ?? '1',
    price_eth: row.priceEth,
    price_usd: row.priceUsd,
    block_timestamp: row.timestamp,
    block_hash: row.blockHash === undefined ? null : toBytes(row.blockHash),
    reported_at: row.reportedAt,
  }));
  await tx.query(sql`
    insert into collections.nfts (collection_id, token_id)
    select distinct s.collection_id, s.token_id from ${stagedTransfers} s
    where not exists (
      select from collections.nfts n where n.collection_id = s.collection_id and n.token_id = s.token_id)
    order by 1, 2`);
  const { rows: counted } = await tx.query<{ applied: number }>(mergeTransfers);
  const applied = counted[0]!.applied;
  return { applied, unchanged: rows.length - applied };
}

const mergedColumns = [
  'log_index',
  'batch_index',
  'block_number',
  'block_hash',
  'price_eth',
  'price_usd',
  'block_timestamp',
];

/**
 * `incoming`: one row per transfer, except those that a later removal reverted. `known`: the stored row of the same
 * transfer, if any, which gains the log index, the block after a reorg, and missing values. All other transfers are
 * inserted in order of arrival.
 */
const mergeTransfers = sql`
    with placed as (
      select s.*, n.id as nft_id
      from ${stagedTransfers} s join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
    ), logged as (
      select distinct on (transaction_hash, log_index, batch_index, nft_id) *
      from placed p
      where log_index >= 0 and not exists (
        select from collections.transfer_removals r
        where r.transaction_hash = p.transaction_hash and r.log_index = p.log_index and r.block_hash = p.block_hash
          and r.removed_at >= p.reported_at)
      order by transaction_hash, log_index, batch_index, nft_id, reported_at desc nulls last, block_number desc, position
    ), incoming as materialized (
      select * from logged
      union all
      (select distinct on (transaction_hash, nft_id, from_address, to_address, amount) *
      from placed p
      where log_index < 0 and not exists (
        select from logged l
        where (l.transaction_hash, l.nft_id, l.from_address, l.to_address, l.amount)
          = (p.transaction_hash, p.nft_id, p.from_address, p.to_address, p.amount))
      order by transaction_hash, nft_id, from_address, to_address, amount, position)
    ), candidate as (
      select i.position, t.id,
        row_number() over (partition by i.position order by (t.log_index = i.log_index) desc, t.log_index, t.id) as choice,
        row_number() over (partition by t.id order by (t.log_index = i.log_index) desc, i.log_index, i.position) as claim
      from incoming i
      join collections.transfers t on t.transaction_hash = i.transaction_hash and t.nft_id = i.nft_id
        and case
          when i.log_index >= 0 and t.log_index >= 0 then t.log_index = i.log_index and t.batch_index = i.batch_index
          else (t.from_address, t.to_address, t.amount) = (i.from_address, i.to_address, i.amount)
        end
    ), known as (
      select position, id from candidate where choice = 1 and claim = 1
    ), merged as (
      update collections.transfers t set
        log_index = m.log_index, batch_index = m.batch_index, block_number = m.block_number, block_hash = m.block_hash,
        reported_at = m.reported_at, price_eth = m.price_eth, price_usd = m.price_usd,
        block_timestamp = m.block_timestamp
      from (
        select k.id,
          greatest(t.log_index, i.log_index) as log_index,
          case when t.log_index < 0 then i.batch_index else t.batch_index end as batch_index,
          case when newer.is then i.block_number else t.block_number end as block_number,
          case when newer.is then i.block_hash else coalesce(t.block_hash, i.block_hash) end as block_hash,
          greatest(t.reported_at, i.reported_at) as reported_at,
          coalesce(t.price_eth, i.price_eth) as price_eth,
          coalesce(t.price_usd, i.price_usd) as price_usd,
          case when newer.is then coalesce(i.block_timestamp, t.block_timestamp)
            else coalesce(t.block_timestamp, i.block_timestamp) end as block_timestamp
        from known k
        join incoming i on i.position = k.position
        join collections.transfers t on t.id = k.id
        cross join lateral (select i.block_number <> t.block_number
          and (coalesce(i.reported_at, '-infinity'), i.block_number) > (coalesce(t.reported_at, '-infinity'), t.block_number)
          as is) newer
      ) m
      where t.id = m.id
        and ${differ(mergedColumns, 't', 'm')}
      returning 1
    ), added as (
      insert into collections.transfers
        (nft_id, ${columnList(transferColumns)})
      select i.nft_id, ${columnList(transferColumns, 'i')}
      from incoming i
      where not exists (
        select from candidate c where c.position = i.position and c.choice = 1 and (c.claim = 1 or i.log_index < 0))
      order by i.position
      returning 1
    )
    select ((select count(*) from merged) + (select count(*) from added))::integer as applied`;

/** Stores the standard of collections whose standard was unknown. A trigger then derives their owners again. */
async function storeTokenTypes(
  tx: Transaction,
  rows: readonly TransferRecord[],
  ids: ReadonlyMap<string, number>,
): Promise<void> {
  const shared = new Set(rows.filter((row) => row.tokenType === 'ERC1155').map((row) => ids.get(row.collection)!));
  if (shared.size === 0) return;
  await tx.query(
    `update collections.collections set token_type = 'ERC1155' where id = any ($1::integer[]) and token_type = 'UNKNOWN'`,
    [[...shared]],
  );
}
