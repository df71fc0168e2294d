import sql, { type Sql } from 'sql-template-tag';

/** A condition on `wallets.editions e` that matches an edition's id, such as `26-565`. */
export function editionNamed(name: string): Sql {
  const [setId, playId] = name.split('-').map(Number);
  return sql`e.set_id = ${setId} and e.play_id = ${playId}`;
}
