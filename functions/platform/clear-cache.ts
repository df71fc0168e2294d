import { commit } from '../../shared/changes/commit.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { getCache } from '../../shared/resources.ts';
import { operations } from './contract.ts';

/**
 * Clears the cached answers of the named entities at once. Without entities, or with `*`, clears all cached answers, in
 * every container within a second.
 *
 * Clearing all starts a new generation of keys. Entries of the old one expire by their TTL.
 *
 * @throws Unavailable  the database or Redis failed (retryable)
 */
export const clearCache = respond(operations.clearCache, async ({ body }) => {
  const entities = body?.entities ?? ['*'];
  const clearsAll = entities.includes('*');
  const eventId = await commit(async (tx) => {
    if (clearsAll) await tx.query('select platform.revoke_cache_generation()');
    const { rows } = await tx.query<{ id: string }>(
      `insert into platform.outbox (type, entities) values ('cache_cleared', $1) returning id::text`,
      [entities],
    );
    return rows[0]!.id;
  });
  if (clearsAll) await (await getCache()).renewGeneration();
  return { cleared: clearsAll ? 'all' : 'entities', eventId } as const;
});
