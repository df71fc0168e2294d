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
  /** The hash of the block. Undefined for files, and for blocks that are final. */
  blockHash?: string | undefined;
  /** When the webhook was created, or the page requested. Undefined for files. */
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
  certainty: 'smallint',
});
const transferColumns = stagedTransfers.columnsExcept('collection_id', 'token_id', 'certainty');

/** How much a report of a block is worth. 0: a file's. 1: a block that may be reverted. 2: a final block. */
function certaintyOf({ reportedAt, blockHash }: TransferRecord): number {
  if (reportedAt === undefined) return 0;
  return blockHash === undefined ? 2 : 1;
}

/**
 * Stores transfers; triggers derive the owners and announce both.
 *
 * The same transfers produce the same owners, in any order and any number of times. Transaction, log index, batch index,
 * and token identify a transfer. Without a log index, transaction, token, parties, and amount do, so two such transfers
 * in one transaction count once. A transaction is in one block: of reports that differ, a final one counts before an
 * unsettled one, and that before a file; then the latest. Transfers of nothing are not stored. Creates missing
 * collections and tokens.
 *
 * @throws Integrity  a value violates a constraint of the tables
 * @source Alchemy webhooks and alchemy_getAssetTransfers, or the import `collections.transfers`
 */
export async function recordTransfers(tx: Transaction, reported: readonly TransferRecord[]): Promise<Changed> {
  const rows = reported.filter(({ amount }) => amount === undefined || BigInt(amount) > 0n);
  if (rows.length === 0) return { applied: 0, unchanged: reported.length };
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
    certainty: certaintyOf(row),
  }));
  await tx.query(dropRemoved);
  await tx.query(keepOneBlock);
  await tx.query(sql`
    insert into collections.nfts (collection_id, token_id)
    select distinct s.collection_id, s.token_id from ${stagedTransfers} s
    where not exists (
      select from collections.nfts n where n.collection_id = s.collection_id and n.token_id = s.token_id)
    order by 1, 2`);
  const { rows: counted } = await tx.query<{ applied: number }>(mergeTransfers);
  const applied = counted[0]!.applied;
  return { applied, unchanged: reported.length - applied };
}

/** A report of a log in a block is void if that block was removed later. */
const dropRemoved = sql`
  delete from ${stagedTransfers} s using collections.transfer_removals r
  where (r.transaction_hash, r.log_index, r.block_hash) = (s.transaction_hash, s.log_index, s.block_hash)
    and r.removed_at >= s.reported_at`;

/**
 * Keeps, for each transaction, the transfers in the block that counts: the reports of other blocks are dropped, and
 * stored transfers in other blocks are deleted. Their prices are kept. Where one of two reports has no hash, the numbers of
 * their blocks decide.
 *
 * Without joins of the stored and the reported transfers: before a table's first ANALYZE, they would be nested loops.
 */
const keepOneBlock = sql`
  with hashes as (
    select array_agg(distinct transaction_hash) as transactions, array_agg(distinct collection_id) as collections
    from ${stagedTransfers}
  ), stored as materialized (
    select n.collection_id, t.*
    from (
      select * from collections.transfers
      where log_index >= 0 and transaction_hash = any ((select transactions from hashes)::bytea[])
      union all
      select * from collections.transfers
      where log_index < 0 and transaction_hash = any ((select transactions from hashes)::bytea[])
    ) t
    join collections.nfts n on n.id = t.nft_id
    where n.collection_id = any ((select collections from hashes)::integer[])
  ), known as (
    select position as reported, null::bigint as id, collection_id, transaction_hash, block_number, block_hash, reported_at,
      certainty
    from ${stagedTransfers}
    union all
    select null, s.id, s.collection_id, s.transaction_hash, s.block_number, s.block_hash, s.reported_at,
      case when s.reported_at is null then 0 when u.transfer_id is null then 2 else 1 end
    from stored s left join collections.unsettled_transfers u on u.transfer_id = s.id
  ), compared as (
    select k.*, first_value(block_number) over best as best_number, first_value(block_hash) over best as best_hash,
      first_value(certainty) over best as best_certainty
    from known k
    window best as (partition by collection_id, transaction_hash
      order by certainty desc, reported_at desc nulls last, block_number desc, block_hash)
  ), elsewhere as materialized (
    select reported, id from compared
    where best_certainty > 0 and (block_number <> best_number
      or (least(certainty, best_certainty) = 1 and block_hash is distinct from best_hash))
  ), dropped as (
    delete from ${stagedTransfers} where position = any (array(select reported from elsewhere where reported is not null))
  ), moved as (
    delete from collections.transfers where id = any (array(select id from elsewhere where id is not null))
    returning *
  )
  update ${stagedTransfers} s set price_eth = coalesce(s.price_eth, m.price_eth), price_usd = coalesce(s.price_usd, m.price_usd)
  from moved m join collections.nfts n on n.id = m.nft_id
  where (s.collection_id, s.token_id, s.transaction_hash, s.from_address, s.to_address)
      = (n.collection_id, n.token_id, m.transaction_hash, m.from_address, m.to_address)
    and s.position <> all (array(select reported from elsewhere where reported is not null))`;

const mergedColumns = [
  'log_index',
  'batch_index',
  'block_number',
  'block_hash',
  'reported_at',
  'price_eth',
  'price_usd',
  'block_timestamp',
];

/**
 * `incoming`: one row per transfer. `known`: the stored row of the same transfer, if any, which gains missing values; of
 * two files, the higher block counts. All other transfers are inserted in order of arrival. Those in blocks that are not
 * final are listed as unsettled.
 */
const mergeTransfers = sql`
    with placed as (
      select s.*, n.id as nft_id
      from ${stagedTransfers} s join collections.nfts n on n.collection_id = s.collection_id and n.token_id = s.token_id
    ), logged as (
      select distinct on (transaction_hash, log_index, batch_index, nft_id) *
      from placed p
      where log_index >= 0
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
          greatest(t.block_number, i.block_number) as block_number,
          case when t.reported_at is null then i.block_hash else t.block_hash end as block_hash,
          coalesce(t.reported_at, i.reported_at) as reported_at,
          coalesce(t.price_eth, i.price_eth) as price_eth,
          coalesce(t.price_usd, i.price_usd) as price_usd,
          case when i.block_number > t.block_number then coalesce(i.block_timestamp, t.block_timestamp)
            else coalesce(t.block_timestamp, i.block_timestamp) end as block_timestamp,
          t.reported_at is null and i.block_hash is not null as unsettled
        from known k
        join incoming i on i.position = k.position
        join collections.transfers t on t.id = k.id
      ) m
      where t.id = m.id
        and ${differ(mergedColumns, 't', 'm')}
      returning t.id, m.unsettled
    ), added as (
      insert into collections.transfers
        (nft_id, ${columnList(transferColumns)})
      select i.nft_id, ${columnList(transferColumns, 'i')}
      from incoming i
      where not exists (
        select from candidate c where c.position = i.position and c.choice = 1 and (c.claim = 1 or i.log_index < 0))
      order by i.position
      returning id, block_hash is not null as unsettled
    ), written as (
      select * from merged union all select * from added
    ), listed as (
      insert into collections.unsettled_transfers select id from written where unsettled
    )
    select count(*)::integer as applied from written`;

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
