import sql from 'sql-template-tag';

/** The traits of `collections.nfts n` as JSON in responses. */
export const traitsOf = sql`coalesce((
  select jsonb_agg(jsonb_build_object('type', t.trait_type, 'value', t.trait_value) order by t.trait_type, t.trait_value)
  from collections.collection_traits t where t.id = any(n.trait_ids)), '[]')`;
