import net from 'node:net';
import { afterAll, expect, inject, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';

let isSilent = false;
const open = new Set<net.Socket>();
/** A proxy to the replica that can freeze: nothing gets through, but no connection ends. */
const proxy = net.createServer((client) => {
  const [host, port] = inject('services').reader.split(':');
  const upstream = net.connect(Number(port), host);
  for (const socket of [client, upstream]) {
    open.add(socket);
    socket.on('error', () => {});
  }
  client.on('data', (bytes) => isSilent || upstream.write(bytes));
  upstream.on('data', (bytes) => isSilent || client.write(bytes));
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
});
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const address = `127.0.0.1:${(proxy.address() as net.AddressInfo).port}`;
const { call } = await createCollections({ DATABASE_READER_HOST: address });
afterAll(() => {
  for (const socket of open) socket.destroy();
  proxy.close();
});

test('if the replica freezes silently, the primary is read', async () => {
  for (const slug of ['one', 'two']) await commit((tx) => recordCollection(tx, { collection: slug, name: slug }));
  // opens connections to the replica
  await call('/v1/collections/one');
  isSilent = true;
  const { status, json } = await call('/v1/collections/two');
  expect([status, json.name]).toEqual([200, 'two']);
  for (const socket of open) socket.destroy();
});
