import sql, { type Sql } from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { lockCollections } from './record-collection.ts';

/** A token as its source describes it. `traits: undefined` means that they are unknown, `[]` that it has none. */
export interface NftRecord {
  collection: string;
  tokenId: string;
  name?: string | undefined;
  description?: string | undefined;
  imageUrl?: string | undefined;
  tokenUri?: string | undefined;
  attributes?: Record<string, unknown> | undefined;
  traits?: readonly { type: string; value: string }[] | undefined;
}

const stagedNfts = new TemporaryTable('staged_nfts', {
  collection_id: 'integer',
  token_id: 'numeric',
  name: 'text',
  description: 'text',
  image_url: 'text',
  token_uri: 'text',
  attributes: 'jsonb',
  traits: 'jsonb',
});

/**
 * Stores tokens and returns how many are new or changed. The last record of each id counts.
 *
 * @source Alchemy getNFTsForContract, or the import `collections.nfts`
 */
export async function recordNfts(tx: Transaction, records: readonly NftRecord[]): Promise<Changed> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  await stagedNfts.fill(tx, records, (one) => ({
    collection_id: ids.get(one.collection),
    token_id: one.tokenId,
    name: one.name,
    description: one.description,
    image_url: one.imageUrl,
    token_uri: one.tokenUri,
    attributes: one.attributes && Object.keys(one.attributes).length > 0 ? one.attributes : null,
    traits: one.traits,
  }));
  await createTraits(
    tx,
    sql`select collection_id, t ->> 'type', t ->> 'value' from ${stagedNfts}, jsonb_array_elements(traits) as t`,
  );
  const { rowCount } = await tx.query(sql`
    with latest as (
      select distinct on (collection_id, token_id) * from ${stagedNfts} order by collection_id, token_id, position desc
    ), wanted as (
      select l.*, (
          select coalesce(array_agg(distinct c.id order by c.id), '{}')
          from jsonb_array_elements(l.traits) as t join collections.collection_traits c
            on c.collection_id = l.collection_id and c.trait_type = t ->> 'type' and c.trait_value = t ->> 'value'
        ) as trait_ids
      from latest l
    )
    insert into collections.nfts as n (collection_id, token_id, name, description, image_url, token_uri, attributes, trait_ids)
    select w.collection_id, w.token_id, w.name, w.description, w.image_url, w.token_uri, w.attributes,
      case when w.traits is null then coalesce(e.trait_ids, '{}') else w.trait_ids end
    from wanted w left join collections.nfts e using (collection_id, token_id)
    where e.id is null
      or (coalesce(w.name, e.name), coalesce(w.description, e.description), coalesce(w.image_url, e.image_url),
          coalesce(w.token_uri, e.token_uri), coalesce(w.attributes, e.attributes),
          case when w.traits is null then e.trait_ids else w.trait_ids end)
        is distinct from (e.name, e.description, e.image_url, e.token_uri, e.attributes, e.trait_ids)
    order by w.collection_id, w.token_id
    on conflict (collection_id, token_id) do update set
      name = coalesce(excluded.name, n.name), description = coalesce(excluded.description, n.description),
      image_url = coalesce(excluded.image_url, n.image_url), token_uri = coalesce(excluded.token_uri, n.token_uri),
      attributes = coalesce(excluded.attributes, n.attributes), trait_ids = excluded.trait_ids, updated_at = now()`);
  return { applied: rowCount!, unchanged: records.length - rowCount! };
}

/** One trait of one token. */
export interface TraitRecord {
  collection: string;
  tokenId: string;
  type: string;
  value: string;
}

const stagedTraits = new TemporaryTable('staged_traits', {
  collection_id: 'integer',
  token_id: 'numeric',
  trait_type: 'text',
  trait_value: 'text',
});

/**
 * Adds traits to tokens, creating missing tokens, and returns how many traits are new.
 *
 * @source the import `collections.traits`
 */
export async function recordTraits(tx: Transaction, records: readonly TraitRecord[]): Promise<Changed> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  await stagedTraits.fill(tx, records, (one) => ({
    collection_id: ids.get(one.collection),
    token_id: one.tokenId,
    trait_type: one.type,
    trait_value: one.value,
  }));
  await createTraits(tx, sql`select collection_id, trait_type, trait_value from ${stagedTraits}`);
  const { rows: changed } = await tx.query<{ added: number }>(sql`
    with wanted as (
      select s.collection_id, s.token_id, array_agg(distinct c.id) as trait_ids
      from ${stagedTraits} s join collections.collection_traits c using (collection_id, trait_type, trait_value)
      group by s.collection_id, s.token_id
    ), missing as (
      select w.collection_id, w.token_id, coalesce(n.trait_ids, '{}') as stored,
        array(select unnest(w.trait_ids) except select unnest(n.trait_ids)) as added
      from wanted w left join collections.nfts n using (collection_id, token_id)
    ), written as (
      insert into collections.nfts (collection_id, token_id, trait_ids)
      select collection_id, token_id, array(select unnest(stored || added) order by 1) from missing
      where cardinality(added) > 0 order by collection_id, token_id
      on conflict (collection_id, token_id) do update set trait_ids = excluded.trait_ids, updated_at = now()
    )
    select coalesce(sum(cardinality(added)), 0)::integer as added from missing`);
  const { added } = changed[0]!;
  return { applied: added, unchanged: records.length - added };
}

/** Creates the traits that a query returns, if they are missing. */
async function createTraits(tx: Transaction, named: Sql): Promise<void> {
  await tx.query(sql`
    insert into collections.collection_traits (collection_id, trait_type, trait_value)
    select distinct s.* from (${named}) as s (collection_id, trait_type, trait_value)
    where not exists (
      select 1 from collections.collection_traits c
      where (c.collection_id, c.trait_type, c.trait_value) = (s.collection_id, s.trait_type, s.trait_value))
    order by 1, 2, 3
    on conflict do nothing`);
}
