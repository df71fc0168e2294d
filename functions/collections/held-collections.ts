import sql from 'sql-template-tag';

/** A held collection as JSON in responses, from `h` (the holding) and `c` (the collection). */
export const heldCollection = sql`jsonb_build_object(
  'address', collections.name_of(c.address, c.slug), 'name', c.name, 'imageUrl', c.image_url,
  'tokenCount', h.token_count, 'amount', h.amount::text, 'lastOwnedAt', platform.iso(h.last_owned_at))`;
