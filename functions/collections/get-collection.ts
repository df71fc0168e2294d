import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { collectionNamed } from './collection-named.ts';
import { operations } from './contract.ts';
import { fetchCollection } from './fetch-collection.ts';
import { countRead } from './popularity.ts';

/**
 * One collection: its metadata as its source last reported it, and its known numbers of tokens and holders.
 *
 * Amounts are decimal strings, times UTC. A change shows at once.
 *
 * A collection that is not stored yet, or only by an import, is fetched first: its metadata at once, the rest in a job.
 *
 * @throws NotFound     the collection is unknown (remembered for 30 seconds)
 * @throws RateLimited  the collection must be fetched, and the budget for that is exhausted
 * @source Alchemy getContractMetadata, or an import
 */
export const getCollection = read(operations.getCollection, {
  statement: ({ path }) => sql`
    select jsonb_build_object(
        'address', collections.name_of(c.address, c.slug),
        'slug', c.slug,
        'name', c.name,
        'symbol', c.symbol,
        'tokenType', c.token_type,
        'description', c.description,
        'imageUrl', c.image_url,
        'externalUrl', c.external_url,
        'totalSupply', c.total_supply::text,
        'floorPriceEth', c.floor_price_eth::text,
        'deployer', '0x' || encode(c.deployer, 'hex'),
        'deployedBlock', c.deployed_block,
        'tokenCount', c.token_count,
        'holderCount', c.holder_count,
        'completeness', c.completeness,
        'refreshedAt', platform.iso(c.refreshed_at)
      )::text as body,
      c.refreshed_at as as_of, c.address is not null and c.refreshed_at is null as incomplete
    from collections.collections c
    where ${collectionNamed(path.address)}`,
  fetchMissing: ({ path }, request) => fetchCollection(path.address, request),
  onServed: ({ path }) => countRead(path.address),
});
