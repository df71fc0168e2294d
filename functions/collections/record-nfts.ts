import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { lockCollections } from './record-collection.ts';

/** One token as its source has it. `traits: undefined`: the source does not say; `[]`: it has none. */
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

/**
 * Records tokens, the last of several with the same id; gives how many are new or different.
 *
 * @source Alchemy getNFTsForContract, or the import `collections.nfts`
 */
export async function recordNfts(tx: Transaction, records: readonly NftRecord[]): Promise<Changed> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  const columns = {
    collection_id: 'integer',
    token_id: 'numeric',
    name: 'text',
    description: 'text',
    image_url: 'text',
    token_uri: 'text',
    attributes: 'jsonb',
    traits: 'jsonb',
  } as const;
  const rows = records.map((one) => [
    ids.get(one.collection)!,
    one.tokenId,
    one.name,
    one.description,
    one.imageUrl,
    one.tokenUri,
    one.attributes && Object.keys(one.attributes).length > 0 ? JSON.stringify(one.attributes) : null,
    one.traits && JSON.stringify(one.traits),
  ]);
  await stageRows(tx, 'staged_nfts', columns, rows);
  await makeTraits(
    tx,
    `select collection_id, t ->> 'type', t ->> 'value' from pg_temp.staged_nfts, jsonb_array_elements(traits) as t`,
  );
  const { rowCount } = await tx.query(`
    with latest as (
      select distinct on (collection_id, token_id) * from pg_temp.staged_nfts order by collection_id, token_id, position desc
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

/** One value of one token, as a file in long form has it. */
export interface TraitRecord {
  collection: string;
  tokenId: string;
  type: string;
  value: string;
}

/**
 * Adds traits to tokens, which are made where there are none; gives how many were not there yet.
 *
 * @source the import `collections.traits`
 */
export async function recordTraits(tx: Transaction, records: readonly TraitRecord[]): Promise<Changed> {
  const ids = await lockCollections(
    tx,
    records.map(({ collection }) => collection),
  );
  const columns = { collection_id: 'integer', token_id: 'numeric', trait_type: 'text', trait_value: 'text' } as const;
  const rows = records.map(({ collection, tokenId, type, value }) => [ids.get(collection)!, tokenId, type, value]);
  await stageRows(tx, 'staged_traits', columns, rows);
  await makeTraits(tx, 'select collection_id, trait_type, trait_value from pg_temp.staged_traits');
  const { rows: changed } = await tx.query<{ added: number }>(`
    with wanted as (
      select s.collection_id, s.token_id, array_agg(distinct c.id) as trait_ids
      from pg_temp.staged_traits s join collections.collection_traits c using (collection_id, trait_type, trait_value)
      group by s.collection_id, s.token_id
    ), missing as (
      select w.collection_id, w.token_id, coalesce(n.trait_ids, '{}') as standing,
        array(select unnest(w.trait_ids) except select unnest(n.trait_ids)) as added
      from wanted w left join collections.nfts n using (collection_id, token_id)
    ), written as (
      insert into collections.nfts (collection_id, token_id, trait_ids)
      select collection_id, token_id, array(select unnest(standing || added) order by 1) from missing
      where cardinality(added) > 0 order by collection_id, token_id
      on conflict (collection_id, token_id) do update set trait_ids = excluded.trait_ids, updated_at = now()
    )
    select coalesce(sum(cardinality(added)), 0)::integer as added from missing`);
  const { added } = changed[0]!;
  return { applied: added, unchanged: records.length - added };
}

/** Makes the traits that the query names and that are not there yet. */
async function makeTraits(tx: Transaction, named: string): Promise<void> {
  await tx.query(`
    insert into collections.collection_traits (collection_id, trait_type, trait_value)
    select distinct s.* from (${named}) as s (collection_id, trait_type, trait_value)
    where not exists (
      select 1 from collections.collection_traits c
      where (c.collection_id, c.trait_type, c.trait_value) = (s.collection_id, s.trait_type, s.trait_value))
    order by 1, 2, 3
    on conflict do nothing`);
}
