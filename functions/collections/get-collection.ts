import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { collectionNamed } from './collection-named.ts';
import * as contract from './contract.ts';

/**
 * One collection: its metadata as its source last gave it.
 *
 * Amounts are decimal texts, times UTC. Fresh: a change hides the cached answer at once.
 *
 * @throws NotFound  nobody knows it (remembered for 30 seconds)
 * @source Alchemy getContractMetadata, or an import
 */
export const getCollection = read(contract.getCollection, {
  load: ({ path }) => sql`
    select jsonb_build_object(
        'address', coalesce('0x' || encode(c.address, 'hex'), c.slug),
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
        'completeness', c.completeness,
        'refreshedAt', to_char(c.refreshed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      )::text as body,
      c.refreshed_at as as_of
    from collections.collections c
    where ${collectionNamed(path.address)}`,
});
