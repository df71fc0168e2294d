import sql from 'sql-template-tag';
import { isLeftOut } from '../../shared/db/lag.ts';
import { readProvably } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { getRedis } from '../../shared/resources.ts';
import { operations } from './contract.ts';

type State = 'ok' | 'failing';

/** Whether the database writer, the database reader, and the cache respond. `degraded`: reads continue without one. */
export const getHealth = respond(operations.getHealth, async () => {
  const state = (check: Promise<unknown>): Promise<State> =>
    check.then(
      () => 'ok',
      () => 'failing',
    );
  const [writer, cache] = await Promise.all([
    state(readProvably(sql`select 1`, { host: 'writer' })),
    state(getRedis().then(({ attempt }) => attempt((redis) => redis.ping()))),
  ]);
  const read = await state(readProvably(sql`select 1`, { host: 'replica' }));
  const parts: Record<string, State> = { writer, reader: isLeftOut('reader') ? 'failing' : read, cache };
  return { status: Object.values(parts).includes('failing') ? 'degraded' : 'ok', parts } as const;
});
