import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';
import { traitsOf } from './traits-of.ts';

/**
 * One token: its metadata, its traits, and under `attributes` its source's other fields.
 *
 * A change to the token shows at once.
 *
 * @throws NotFound  there is no such collection or token
 * @source Alchemy getNFTsForContract, or the import `collections.nfts`
 */
export const getNft = read(operations.getNft, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'collection', collections.name_of(c.address, c.slug), 'tokenId', n.token_id::text, 'name', n.name,
        'description', n.description, 'imageUrl', n.image_url, 'tokenUri', n.token_uri,
        'attributes', coalesce(n.attributes, '{}'), 'traits', ${traitsOf}, 'updatedAt', platform.iso(n.updated_at)
      )::text as body, n.updated_at as as_of
    from collections.nfts n join collections.collections c on c.id = n.collection_id
    where ${collectionNamed(path.address)} and n.token_id = ${path.tokenId}::numeric`,
});
