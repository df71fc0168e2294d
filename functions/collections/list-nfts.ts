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
    const conditions = [...traitConditions(filters as Record<string, string[]>), ...(owner ? [ownedBy(owner)] : [])];
    const where = conditions.length === 0 ? empty : sql`and ${join(conditions, ' and ')}`;
    return sql`
      select jsonb_build_object(
          'nfts', coalesce((
            select jsonb_agg(jsonb_build_object('tokenId', n.token_id::text, 'name', n.name, 'imageUrl', n.image_url,
              'traits', ${traitsOf}) order by n.token_id)
            from (select * from collections.nfts n where n.collection_id = c.id ${where}
                  order by n.token_id limit ${pageSize} offset ${(page - 1) * pageSize}) as n), '[]'),
          'page', ${page}::integer, 'pageSize', ${pageSize}::integer, 'total', counted.total,
          'pages', ceil(counted.total / ${pageSize}::numeric)
        )::text as body
      from collections.collections c,
        lateral (${conditions.length === 0 ? sql`select c.token_count as total` : sql`select count(*) as total from collections.nfts n where n.collection_id = c.id ${where}`}) as counted
      where ${collectionNamed(path.address)}`;
  },
});

/** One condition per trait value. A value that the collection does not have matches no token. */
function traitConditions(filters: Record<string, string[]>): Sql[] {
  return Object.entries(filters).flatMap(([name, values]) =>
    values.map(
      (value) => sql`n.trait_ids @> coalesce(
        (select array[t.id] from collections.collection_traits t
         where t.collection_id = c.id and t.trait_type = ${name.slice('trait.'.length)} and t.trait_value = ${value}), array[-1])`,
    ),
  );
}

function ownedBy(owner: string): Sql {
  return sql`exists (select 1 from collections.nft_ownership o where o.nft_id = n.id and o.owner = ${toBytes(owner)} and o.amount > 0)`;
}
