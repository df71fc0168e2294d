/** The events of the platform itself. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  rowsLoaded: {
    summary: 'A sync or an import changed so many rows that statistics and plans are out of date.',
    entities: ['jobs:{id}'],
  },
  cacheCleared: {
    summary: 'An operator cleared cached answers: those of the named entities, or all (`*`).',
    entities: ['{entity}'],
  },
});
