/** The events of the platform. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  rowsLoaded: {
    summary: 'A sync or import changed enough rows to make table statistics outdated.',
    entities: ['jobs:{id}'],
  },
  cacheCleared: {
    summary: 'An operator cleared the cache for the named entities, or all of it (`*`).',
    entities: ['{entity}'],
  },
});
