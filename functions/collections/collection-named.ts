import sql, { type Sql } from 'sql-template-tag';
import { isAddress, toBytes } from '../../shared/kernel/address.ts';

/** A condition on `collections.collections c` that matches a name: an address, or the slug of a collection without one. */
export function collectionNamed(name: string): Sql {
  return isAddress(name) ? sql`c.address = ${toBytes(name)}` : sql`c.slug = ${name} and c.address is null`;
}
