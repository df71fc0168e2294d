import { createConsumer } from '../../shared/events/consumer.ts';
import { getCache } from '../../shared/resources.ts';

/**
 * Raises the fences of what an event changed. Each event comes twice: at once, and once more after the longest that a
 * replica may lag and a load may take, so that a fence that Redis lost with its hash comes back.
 */
export const handler = createConsumer('invalidate-cache', async ({ type, entities, xid, detail }) => {
  const cache = await getCache();
  if (type === 'cache_cleared' && detail.scope === 'all') await cache.renewGeneration();
  else await cache.raise(entities, Number(xid));
});
