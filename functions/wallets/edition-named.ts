import sql, { type Sql } from 'sql-template-tag';

/** The condition on `wallets.editions e` for an edition's name: `26-565`. */
export function editionNamed(name: string): Sql {
  const [setId, playId] = name.split('-').map(Number);
  return sql`e.set_id = ${setId} and e.play_id = ${playId}`;
}
