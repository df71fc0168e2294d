import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';

/**
 * The owner of a token: one address for ERC-721; each holder with the amount for ERC-1155, largest amount first.
 *
 * A transfer shows at once. `lastVerifiedAt` is when the owner was last compared with upstream.
 *
 * @throws NotFound  there is no such collection or token
 */
export const getNftOwner = read(operations.getNftOwner, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'collection', collections.name_of(c.address, c.slug), 'tokenId', n.token_id::text,
        'owner', case when count(o.owner) = 1 then max('0x' || encode(o.owner, 'hex')) end,
        'owners', coalesce(jsonb_agg(jsonb_build_object(
          'address', '0x' || encode(o.owner, 'hex'), 'amount', o.amount::text,
          'acquiredAt', platform.iso(o.acquired_at), 'lastVerifiedAt', platform.iso(o.last_verified_at))
          order by o.amount desc, o.owner) filter (where o.owner is not null), '[]')
      )::text as body, coalesce(max(o.last_verified_at), max(o.acquired_at)) as as_of
    from collections.nfts n join collections.collections c on c.id = n.collection_id
      left join collections.nft_ownership o on o.nft_id = n.id and o.amount > 0
    where ${collectionNamed(path.address)} and n.token_id = ${path.tokenId}::numeric
    group by c.id, n.id`,
});
