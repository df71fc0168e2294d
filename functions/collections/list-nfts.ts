import sql, { empty, join, type Sql } from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';
import { traitsOf } from './traits-of.ts';

/**
 * One page of a collection's tokens, ordered by id. Filters: one owner; traits, all of which a token must have.
 *
 * Pages start at 1, with at most 100 tokens each. A change to tokens, traits, or owners shows at once.
 *
 * @throws NotFound  there is no such collection
 * @source Alchemy getNFTsForContract, or imports
 */
export const listNfts = read(operations.listNfts, {
  statement: ({ path, query: { page, pageSize, owner, ...filters } }) => {
    const traits = Object.entries(filters as Record<string, string[]>).flatMap(([name, values]) =>
      values.map((value) => ({ type: name.slice('trait.'.length), value })),
    );
    const conditions = [...traits.map(hasTrait), ...(owner ? [ownedBy(owner)] : [])];
    const where = conditions.length === 0 ? empty : sql`and ${join(conditions, ' and ')}`;
    const fromStart = sql`
      select n.token_id from collections.nfts n where n.collection_id = c.id ${where}
      order by n.token_id limit ${pageSize} offset ${(page - 1) * pageSize}`;
    return sql`
      select jsonb_build_object(
          'nfts', coalesce((
            select jsonb_agg(jsonb_build_object('tokenId', n.token_id::text, 'name', n.name, 'imageUrl', n.image_url,
              'traits', ${traitsOf}) order by n.token_id)
            from (${conditions.length === 0 ? nearestEnd((page - 1) * pageSize, pageSize) : fromStart}) as page
              cross join lateral (
                select * from collections.nfts n where n.collection_id = c.id and n.token_id = page.token_id limit 1) as n), '[]'),
          'page', ${page}::integer, 'pageSize', ${pageSize}::integer, 'total', counted.total,
          'pages', ceil(counted.total / ${pageSize}::numeric)
        )::text as body
      from collections.collections c, lateral (${countTokens(traits, owner, where)}) as counted
      where ${collectionNamed(path.address)}`;
  },
});

/** The token ids of a page of all tokens. The skipped ones are counted in the index, from the end that is nearer. */
function nearestEnd(skipped: number, pageSize: number): Sql {
  const behind = sql`c.token_count - ${skipped}::integer`;
  const isNearEnd = sql`${behind} < c.token_count / 2`;
  return sql`
    (select n.token_id from collections.nfts n where n.collection_id = c.id
     order by n.token_id limit case when ${isNearEnd} then 0 else ${pageSize} end offset ${skipped})
    union all
    (select n.token_id from collections.nfts n where n.collection_id = c.id
     order by n.token_id desc limit case when ${isNearEnd} then greatest(least(${behind}, ${pageSize}), 0) else 0 end
     offset greatest(${behind} - ${pageSize}, 0))`;
}

interface Trait {
  type: string;
  value: string;
}

/** The number of tokens that match. Triggers keep it for a whole collection, each trait, and each owner. */
function countTokens(traits: Trait[], owner: string | undefined, where: Sql): Sql {
  const [trait, ...others] = traits;
  const counted = sql`select count(*) as total from collections.nfts n where n.collection_id = c.id ${where}`;
  if (others.length > 0 || (owner !== undefined && trait !== undefined)) return counted;
  if (owner !== undefined)
    return sql`
      select case c.holdings_from when 'tokens' then coalesce((
        select u.token_count from collections.user_collections u
        where u.user_address = ${toBytes(owner)} and u.collection_id = c.id), 0) else (${counted}) end as total`;
  if (trait === undefined) return sql`select c.token_count as total`;
  return sql`
    select coalesce(sum(t.token_count), 0) as total from collections.collection_traits t where ${isTrait(trait)}`;
}

/** A value that the collection does not have matches no token. */
function hasTrait(trait: Trait): Sql {
  return sql`n.trait_ids @> coalesce(
    (select array[t.id] from collections.collection_traits t where ${isTrait(trait)}), array[-1])`;
}

function isTrait({ type, value }: Trait): Sql {
  return sql`t.collection_id = c.id and t.trait_type = ${type} and t.trait_value = ${value}`;
}

function ownedBy(owner: string): Sql {
  return sql`exists (select 1 from collections.nft_ownership o where o.nft_id = n.id and o.owner = ${toBytes(owner)} and o.amount > 0)`;
}
