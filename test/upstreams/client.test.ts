import { expect, test } from 'vitest';
import { alchemy } from '../../functions/upstreams/alchemy.ts';
import { snowflake } from '../../functions/upstreams/snowflake.ts';
import { forgetEnv } from '../../shared/env.ts';
import { type Connection, connectUpstream } from '../../shared/upstream/client.ts';
import { createDatabase } from '../support/database.ts';

await createDatabase({ UPSTREAM_ALCHEMY_URL: 'http://127.0.0.1:1', UPSTREAM_ALCHEMY_SECRET_ARN: 'alchemy' });

test('two clients of one upstream share its connection, and each is created once', async () => {
  const [first, second] = [1, 2].map((n) => (connection: Connection<typeof alchemy>) => ({ n, connection }));
  const [a, b, again] = await Promise.all([first!, second!, first!].map((create) => connectUpstream(alchemy, create)));
  expect([a!.n, b!.n, again === a, a!.connection === b!.connection]).toEqual([1, 2, true, true]);
});

test('an upstream that this function may not call is refused, until it may', async () => {
  const create = ({ baseUrl }: Connection<typeof snowflake>) => baseUrl;
  await expect(connectUpstream(snowflake, create)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('UPSTREAM_SNOWFLAKE_URL'),
  });
  Object.assign(process.env, {
    UPSTREAM_SNOWFLAKE_URL: 'http://127.0.0.1:2',
    UPSTREAM_SNOWFLAKE_SECRET_ARN: 'snowflake',
  });
  forgetEnv();
  expect(await connectUpstream(snowflake, create)).toBe('http://127.0.0.1:2');
});
