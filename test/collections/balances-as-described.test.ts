/** Balances are JSON integers of any size, and keep their digits. */
import { createServer } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { createAlchemy } from '../../functions/collections/sources/alchemy.ts';
import { createExpect } from '../../shared/upstream/client.ts';
import { createRequest } from '../../shared/upstream/request.ts';
import { wallet } from '../support/transfers.ts';
import { openGate } from '../support/upstreams.ts';

let balance = '';
const server = createServer((_, response) => {
  response.end(
    `{"owners":[{"ownerAddress":"${wallet(1)}","tokenBalances":[{"tokenId":"1","balance":${balance}},{"tokenId":"2","balance":1}]}]}`,
  );
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
const alchemy = createAlchemy({
  baseUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
  credentials: async () => ({ apiKey: 'key', webhookSigningKey: 'key' }),
  request: createRequest({ name: 'alchemy' }, openGate),
  expect: createExpect('alchemy', openGate),
});

test.each(['9007199254740993', '1000000000000000000000', '340282366920938463463374607431768211455'])(
  'an ERC-1155 balance of %s is read as it is',
  async (amount) => {
    balance = amount;
    const { rows, rejected } = await alchemy.getOwners(wallet(0xc0), null);
    expect({ amounts: rows.map((row) => row.amount), rejected }).toEqual({ amounts: [amount, '1'], rejected: [] });
  },
);
