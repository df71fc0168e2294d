import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase({ QUEUES: '{}' });
const { handler } = await import('../../functions/platform/api.ts');

const admin = domains
  .flatMap(({ operations }) => Object.values(operations))
  .filter(({ access }) => access === 'admin')
  .map(({ method, path }) => `${method} ${path}`);

/** A request that reached the function without passing the authorizer. */
const eventOf = (routeKey: string, authorizer?: object) =>
  ({
    routeKey,
    rawQueryString: '',
    headers: {},
    requestContext: { http: { sourceIp: '127.0.0.1' }, ...(authorizer ? { authorizer } : {}) },
  }) as never;
const context = { getRemainingTimeInMillis: () => 30_000 } as never;

test.each(admin)('%s is rejected without the authorizer’s context', async (routeKey) => {
  for (const authorizer of [undefined, {}, { lambda: null }, { lambda: { role: 'guest' } }]) {
    const { statusCode, body } = (await handler(eventOf(routeKey, authorizer), context)) as {
      statusCode: number;
      body: string;
    };
    expect([statusCode, JSON.parse(body)]).toEqual([401, expect.objectContaining({ title: 'Unauthorized' })]);
  }
});

test('a request that passed the authorizer is answered', async () => {
  const event = eventOf('GET /v1/admin/queues', { lambda: { role: 'operator' } });
  expect(await handler(event, context)).toMatchObject({ statusCode: 200 });
});
