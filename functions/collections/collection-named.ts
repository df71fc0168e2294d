import sql, { type Sql } from 'sql-template-tag';
import { toBytes } from '../../shared/kernel/address.ts';

/** The condition on `collections.collections c` for a collection's name: its address, or its slug if it has no address. */
export function collectionNamed(name: string): Sql {
  return name.startsWith('0x') ? sql`c.address = ${toBytes(name)}` : sql`c.slug = ${name} and c.address is null`;
}
