import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { getRedis } from '../../shared/resources.ts';
import { createDatabase } from '../support/database.ts';

let isFailing = true;
const server = createServer((_, response) => {
  response.writeHead(isFailing ? 500 : 200, { 'content-type': 'application/x-amz-json-1.1' });
  // Redis has no password here: the user "default" takes any
  response.end(JSON.stringify({ SecretString: JSON.stringify({ password: 'any' }) }));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
await createDatabase({
  AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  REDIS_SECRET_ARN: 'redis',
});
afterAll(() => server.close());

test('a first look-up of the password of Redis that failed is tried again', async () => {
  await expect(getRedis()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  isFailing = false;
  expect(await getRedis()).toMatchObject({ isOpen: expect.any(Function) });
});
