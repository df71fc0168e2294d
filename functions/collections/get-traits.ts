import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';

/**
 * How many tokens of a collection have each trait value, most frequent first. Rarity is the share of tokens, 0 to 1.
 *
 * A change to tokens or traits shows at once.
 *
 * @throws NotFound  there is no such collection
 */
export const getTraits = read(operations.getTraits, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'tokenCount', c.token_count,
        'traits', coalesce((
          select jsonb_agg(jsonb_build_object('type', trait_type, 'values', "values") order by trait_type)
          from (
            select t.trait_type,
              jsonb_agg(jsonb_build_object('value', t.trait_value, 'count', t.token_count,
                'rarity', round(t.token_count::numeric / greatest(c.token_count, 1), 6)::text)
                order by t.token_count desc, t.trait_value) as "values"
            from collections.collection_traits t where t.collection_id = c.id and t.token_count > 0
            group by t.trait_type
          ) as by_type), '[]')
      )::text as body
    from collections.collections c
    where ${collectionNamed(path.address)}`,
});
