import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import type { Changed } from './changed.ts';
import { lockCollections } from './record-collection.ts';

/** One transfer of one token. Amounts are whole numbers as texts. */
export interface TransferRecord {
  collection: string;
  tokenId: string;
  blockNumber: number;
  /** Undefined where the source does not say. */
  logIndex?: number | undefined;
  /** Place within an ERC-1155 batch. */
  batchIndex?: number | undefined;
  transactionHash: string;
  from: string;
  to: string;
  amount?: string | undefined;
  priceEth?: string | undefined;
  priceUsd?: string | undefined;
  timestamp?: Date | undefined;
}

/**
 * Records transfers and derives the owners from all that are known: safe to any order and any repetition.
 *
 * A transfer is the same by its position in the chain; one from a source that does not say its log index is the same as
 * one of the same transaction, token, sender and receiver. ERC-721 (and what is not known to be ERC-1155): the owner is
 * whom the last transfer by position went to. ERC-1155: what upstream said last, and all transfers since.
 *
 * @source Alchemy webhooks and alchemy_getAssetTransfers, or the import `collections.transfers`
 */
export async function recordTransfers(tx: Transaction, records: readonly TransferRecord[]): Promise<Changed> {
  await stageTransfers(tx, records);
  await tx.query(`
    insert into collections.nfts (collection_id, token_id)
    select distinct collection_id, token_id from pg_temp.staged_transfers s
    where not exists (select 1 from collections.nfts n where (n.collection_id, n.token_id) = (s.collection_id, s.token_id))
    order by 1, 2 on conflict do nothing`);
  // what came first without its log index gets it now
  const placed = await tx.query(`
    update collections.transfers t set log_index = s.log_index, batch_index = s.batch_index
    from pg_temp.staged_transfers s join collections.nfts n using (collection_id, token_id)
    where t.transaction_hash = s.transaction_hash and t.nft_id = n.id and t.log_index = -1 and s.log_index >= 0
      and t.from_address = s.from_address and t.to_address = s.to_address
    returning t.nft_id`);
  const inserted = await tx.query<{ nft_id: string }>(`
    insert into collections.transfers (nft_id, block_number, log_index, batch_index, transaction_hash, from_address, to_address,
      amount, price_eth, price_usd, block_timestamp)
    select n.id, s.block_number, s.log_index, s.batch_index, s.transaction_hash, s.from_address, s.to_address,
      s.amount, s.price_eth, s.price_usd, s.block_timestamp
    from pg_temp.staged_transfers s join collections.nfts n using (collection_id, token_id)
    where not exists (
      select 1 from collections.transfers t
      where t.transaction_hash = s.transaction_hash and t.nft_id = n.id and t.from_address = s.from_address
        and ((t.log_index = s.log_index and t.batch_index = s.batch_index)
          or ((t.log_index = -1 or s.log_index = -1) and t.to_address = s.to_address)))
    order by s.position
    on conflict do nothing
    returning nft_id`);
  await deriveOwners(
    tx,
    [...inserted.rows, ...placed.rows].map(({ nft_id }) => nft_id),
  );
  return { applied: inserted.rowCount!, unchanged: records.length - inserted.rowCount! };
}

/**
 * Takes transfers back that a reorg has removed from the chain, and derives the owners from what remains.
 *
 * @source Alchemy webhooks, `removed: true`
 */
export async function revertTransfers(tx: Transaction, records: readonly TransferRecord[]): Promise<Changed> {
  await stageTransfers(tx, records);
  const { rows } = await tx.query<{ nft_id: string }>(`
    delete from collections.transfers t using pg_temp.staged_transfers s, collections.nfts n
    where (n.collection_id, n.token_id) = (s.collection_id, s.token_id) and t.nft_id = n.id
      and t.transaction_hash = s.transaction_hash and t.log_index = s.log_index and t.batch_index = s.batch_index
    returning t.nft_id`);
  await deriveOwners(
    tx,
    rows.map(({ nft_id }) => nft_id),
  );
  return { applied: rows.length, unchanged: records.length - rows.length };
}

async function stageTransfers(tx: Transaction, records: readonly TransferRecord[]): Promise<void> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  const columns = {
    collection_id: 'integer',
    token_id: 'numeric(78, 0)',
    block_number: 'bigint',
    log_index: 'integer',
    batch_index: 'smallint',
    transaction_hash: 'bytea',
    from_address: 'bytea',
    to_address: 'bytea',
    amount: 'numeric(78, 0)',
    price_eth: 'numeric',
    price_usd: 'numeric',
    block_timestamp: 'timestamptz',
  };
  const rows = records.map((one) => [
    ids.get(one.collection)!,
    one.tokenId,
    one.blockNumber,
    one.logIndex ?? -1,
    one.batchIndex ?? 0,
    toBytes(one.transactionHash),
    toBytes(one.from),
    toBytes(one.to),
    one.amount ?? '1',
    one.priceEth,
    one.priceUsd,
    one.timestamp,
  ]);
  await stageRows(tx, 'staged_transfers', columns, rows);
}

/** Brings nft_ownership of the tokens to what their transfers, and upstream's last word, come to. */
export async function deriveOwners(tx: Transaction, nftIds: readonly string[]): Promise<void> {
  if (nftIds.length === 0) return;
  const moved = [[...new Set(nftIds)]];
  await tx.query(
    `create temporary table if not exists derived_owners (nft_id bigint, owner bytea, amount numeric, exclusive boolean, acquired_at timestamptz)
     on commit drop`,
  );
  await tx.query('truncate pg_temp.derived_owners');
  // one owner: the last transfer's receiver, unless upstream was asked later
  await tx.query(
    `insert into pg_temp.derived_owners
     select n.id, last.to_address, 1, true, last.block_timestamp
     from collections.nfts n join collections.collections c on c.id = n.collection_id and c.token_type <> 'ERC1155',
       lateral (select * from collections.transfers t where t.nft_id = n.id
                order by t.block_number desc, t.log_index desc, t.batch_index desc, t.id desc limit 1) as last
     where n.id = any($1::bigint[]) and last.block_number > coalesce(n.owners_block, -1)
     union all
     select n.id, o.owner, 1, true, o.acquired_at
     from collections.nfts n join collections.collections c on c.id = n.collection_id and c.token_type <> 'ERC1155'
       join collections.nft_ownership o on o.nft_id = n.id and o.verified_amount > 0
     where n.id = any($1::bigint[]) and n.owners_block is not null
       and not exists (select 1 from collections.transfers t where t.nft_id = n.id and t.block_number > n.owners_block)
     union all
     select d.nft_id, d.owner, greatest(sum(d.amount), 0), false, max(d.acquired_at)
     from (
       select t.nft_id, t.to_address as owner, t.amount, t.block_timestamp as acquired_at
       from collections.transfers t join collections.nfts n on n.id = t.nft_id
       where t.nft_id = any($1::bigint[]) and t.block_number > coalesce(n.owners_block, -1)
       union all
       select t.nft_id, t.from_address, -t.amount, null
       from collections.transfers t join collections.nfts n on n.id = t.nft_id
       where t.nft_id = any($1::bigint[]) and t.block_number > coalesce(n.owners_block, -1)
       union all
       select o.nft_id, o.owner, o.verified_amount, o.acquired_at from collections.nft_ownership o
       where o.nft_id = any($1::bigint[]) and o.verified_amount > 0
     ) as d
       join collections.nfts n on n.id = d.nft_id
       join collections.collections c on c.id = n.collection_id and c.token_type = 'ERC1155'
     group by d.nft_id, d.owner`,
    moved,
  );
  // the zero address is where tokens come from and are burnt to: it owns nothing
  await tx.query(`delete from pg_temp.derived_owners where owner = '\\x0000000000000000000000000000000000000000'`);
  await tx.query(
    `delete from collections.nft_ownership o
     where o.nft_id = any($1::bigint[])
       and not exists (select 1 from pg_temp.derived_owners d where (d.nft_id, d.owner) = (o.nft_id, o.owner)
                       and (d.amount > 0 or o.verified_amount > 0))`,
    moved,
  );
  await tx.query(`
    insert into collections.nft_ownership as o (nft_id, owner, amount, exclusive, acquired_at)
    select d.nft_id, d.owner, d.amount, d.exclusive, d.acquired_at
    from pg_temp.derived_owners d left join collections.nft_ownership e using (nft_id, owner)
    where (e.nft_id is null and d.amount > 0)
      or (e.amount, e.exclusive, e.acquired_at) is distinct from (d.amount, d.exclusive, coalesce(d.acquired_at, e.acquired_at))
    order by d.nft_id, d.owner
    on conflict (nft_id, owner) do update
      set amount = excluded.amount, exclusive = excluded.exclusive, acquired_at = coalesce(excluded.acquired_at, o.acquired_at)`);
}
