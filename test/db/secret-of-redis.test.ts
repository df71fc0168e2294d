import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { getRedis } from '../../shared/resources.ts';
import { createDatabase } from '../support/database.ts';

let isFailing = true;
const server = createServer((_, response) => {
  response.writeHead(isFailing ? 500 : 200, { 'content-type': 'application/x-amz-json-1.1' });
  // this Redis has no password, so the user "default" accepts any
  response.end(JSON.stringify({ SecretString: JSON.stringify({ password: 'any' }) }));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
await createDatabase({
  AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  REDIS_SECRET_ARN: 'redis',
});
afterAll(() => server.close());

test('a failed first lookup of the Redis password is retried', async () => {
  await expect(getRedis()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  isFailing = false;
  expect(await getRedis()).toMatchObject({ isOpen: expect.any(Function) });
});
