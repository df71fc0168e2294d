/** The facts the platform itself announces. */
import * as z from 'zod';
import type { EventDeclaration } from '../../shared/kernel/declaration.ts';

export const cacheCleared: EventDeclaration = {
  type: 'cache_cleared',
  summary: 'An operator made cached answers void: those of the named entities, or all.',
  entities: ['{entity}'],
  detail: z.object({ scope: z.enum(['all', 'entities']) }),
};
