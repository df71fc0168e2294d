import type { Transaction } from '../../shared/db/transaction.ts';
import { isAddress, toBytes } from '../../shared/kernel/address.ts';

/** The known fields of a collection. Those left out keep their stored values. */
export interface CollectionRecord {
  /** Address, or slug. */
  collection: string;
  name?: string | null;
  symbol?: string | null;
  tokenType?: 'ERC721' | 'ERC1155' | 'UNKNOWN';
  description?: string | null;
  imageUrl?: string | null;
  externalUrl?: string | null;
  totalSupply?: string | null;
  floorPriceEth?: string | null;
  deployer?: string | null;
  deployedBlock?: number | null;
}

const bytesOrNull = (hex: string | null | undefined) => (hex ? toBytes(hex) : null);

/**
 * Stores a collection's metadata and returns its id. Unchanged metadata updates only the timestamps.
 *
 * @source Alchemy getContractMetadata
 */
export async function recordCollection(tx: Transaction, record: CollectionRecord): Promise<number> {
  const hasAddress = isAddress(record.collection);
  const { rows } = await tx.query<{ id: number }>(
    `insert into collections.collections as c (address, slug, name, symbol, token_type, description, image_url, external_url,
       total_supply, floor_price_eth, deployer, deployed_block, refreshed_at)
     values ($1, $2, $3, $4, coalesce($5, 'UNKNOWN'), $6, $7, $8, $9, $10, $11, $12, now())
     on conflict (${hasAddress ? 'address' : 'slug'}) do update set
       name = coalesce(excluded.name, c.name), symbol = coalesce(excluded.symbol, c.symbol),
       token_type = case when excluded.token_type = 'UNKNOWN' then c.token_type else excluded.token_type end,
       description = coalesce(excluded.description, c.description), image_url = coalesce(excluded.image_url, c.image_url),
       external_url = coalesce(excluded.external_url, c.external_url),
       total_supply = coalesce(excluded.total_supply, c.total_supply),
       floor_price_eth = coalesce(excluded.floor_price_eth, c.floor_price_eth),
       deployer = coalesce(excluded.deployer, c.deployer),
       deployed_block = coalesce(excluded.deployed_block, c.deployed_block),
       refreshed_at = excluded.refreshed_at, updated_at = now()
     returning id`,
    [
      hasAddress ? toBytes(record.collection) : null,
      hasAddress ? null : record.collection,
      record.name ?? null,
      record.symbol ?? null,
      record.tokenType ?? null,
      record.description ?? null,
      record.imageUrl ?? null,
      record.externalUrl ?? null,
      record.totalSupply ?? null,
      record.floorPriceEth ?? null,
      bytesOrNull(record.deployer),
      record.deployedBlock ?? null,
    ],
  );
  return rows[0]!.id;
}

/**
 * The ids of the named collections. Creates the missing ones and locks the rows of all. Every change to a collection's
 * tokens or owners holds this lock, so batches of one collection are applied one after another.
 */
export async function lockCollections(tx: Transaction, names: Iterable<string>): Promise<Map<string, number>> {
  const wanted = [...new Set(names)].sort();
  await tx.query(
    `insert into collections.collections (address, slug)
     select case when name like '0x%' then decode(substr(name, 3), 'hex') end, case when name not like '0x%' then name end
     from unnest($1::text[]) as name
     where not exists (
       select 1 from collections.collections c
       where c.address = case when name like '0x%' then decode(substr(name, 3), 'hex') end
         or (c.slug = name and c.address is null))
     order by name
     on conflict do nothing`,
    [wanted],
  );
  const { rows } = await tx.query<{ id: number; name: string }>(
    `select c.id, collections.name_of(c.address, c.slug) as name from collections.collections c
     where c.address = any(select decode(substr(name, 3), 'hex') from unnest($1::text[]) as name where name like '0x%')
       or (c.slug = any($1) and c.address is null)
     order by c.id for no key update`,
    [wanted],
  );
  return new Map(rows.map(({ id, name }) => [name, id]));
}
