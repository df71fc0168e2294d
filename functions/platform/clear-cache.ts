import { commit } from '../../shared/changes/commit.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { getCache } from '../../shared/resources.ts';
import * as contract from './contract.ts';

/**
 * Makes cached answers void: those of the named entities at once, or all of them, in every container within a second.
 *
 * All: a new generation of keys; what is cached under the old one ends by its TTL.
 *
 * @throws Unavailable  the database or Redis failed (retryable)
 */
export const clearCache = respond(contract.clearCache, async ({ body }) => {
  const entities = body?.entities;
  const scope = entities ? 'entities' : 'all';
  const eventId = await commit(async (tx) => {
    if (!entities) await tx.query('select platform.revoke_cache_generation()');
    const { rows } = await tx.query<{ id: string }>(
      `insert into platform.outbox (type, entities, detail) values ('cache_cleared', $1, $2) returning id::text`,
      [entities ?? ['*'], { scope }],
    );
    return rows[0]!.id;
  });
  if (!entities) await (await getCache()).renewGeneration();
  return { cleared: scope, eventId } as const;
});
