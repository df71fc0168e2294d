/** The facts the platform itself announces. */
import * as z from 'zod';
import type { EventDeclaration } from '../../shared/kernel/declaration.ts';

export const rowsLoaded: EventDeclaration = {
  type: 'rows_loaded',
  summary: 'A sync or an import has changed so many rows that statistics and plans are out of date.',
  entities: ['jobs:{id}'],
  detail: z.object({ rows: z.int() }),
};

export const cacheCleared: EventDeclaration = {
  type: 'cache_cleared',
  summary: 'An operator made cached answers void: those of the named entities, or all.',
  entities: ['{entity}'],
  detail: z.object({ scope: z.enum(['all', 'entities']) }),
};
