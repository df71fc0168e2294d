/** S3 that fails, or answers with too few or other bytes: nothing is dropped, and nothing wrong is shown. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterAll, beforeEach, expect, inject, test } from 'vitest';
import { createArchiveWorld } from '../support/archive.ts';

type Fault = 'fails' | 'truncates' | 'alters' | 'alters the end' | undefined;
const faults: { puts: Fault; gets: Fault } = { puts: undefined, gets: undefined };

/** Passes requests on to the real server, and spoils bodies. */
const proxy = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk) => chunks.push(chunk));
  incoming.on('end', () => pass(incoming, Buffer.concat(chunks), outgoing));
});
await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
afterAll(() => {
  proxy.closeAllConnections();
  proxy.close();
});

function pass({ method, url, headers }: IncomingMessage, body: Buffer, outgoing: ServerResponse): void {
  const isFile = url!.includes('/table%3D') || url!.includes('/table=');
  const fault = !isFile ? undefined : method === 'PUT' ? faults.puts : method === 'GET' ? faults.gets : undefined;
  if (fault === 'fails') return void outgoing.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
  const target = new URL(url!, inject('services').queuesUrl);
  const passed = request(target, { method, headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      const bytes = Buffer.concat(chunks);
      outgoing.writeHead(response.statusCode!, response.headers);
      if (method !== 'GET' || fault === undefined) return void outgoing.end(bytes);
      if (fault === 'truncates') {
        outgoing.write(bytes.subarray(0, bytes.length / 2), () => outgoing.destroy());
        return;
      }
      bytes[fault === 'alters' ? bytes.length >> 1 : bytes.length - 20]! ^= 1;
      outgoing.end(bytes);
    });
  });
  passed.end(body);
}

const { port } = proxy.address() as { port: number };
const world = await createArchiveWorld({ AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`, AWS_MAX_ATTEMPTS: '1' });
const { archive, call, expected, files, pack, passGrace, query, record, shown } = world;

beforeEach(async () => {
  Object.assign(faults, { puts: undefined, gets: undefined });
  await world.reset();
  await record(
    ...Array.from(
      { length: 200 },
      (_, i) =>
        [
          'btc',
          new Date(Date.UTC(2019, 0, 1) + i * 3_600_000).toISOString(),
          `${3_800 + ((i * 7_919) % 101)}.${i}1`,
        ] as [string, string, string],
    ),
  );
  await pack('2019-01');
});

const packed = async () => (await query('select from portfolio.price_snapshots_packed')).length;

test.each(['fails', 'truncates', 'alters', 'alters the end'] as const)(
  'reading back a file when S3 %s drops nothing, and the next run goes on',
  async (gets) => {
    faults.gets = gets;
    await expect(archive({ graceMs: 0 })).rejects.toThrow();
    expect(await packed()).toBeGreaterThan(0);
    expect(await shown('btc')).toEqual(expected('btc'));
    faults.gets = undefined;
    await archive();
    await passGrace();
    await archive();
    expect(await packed()).toBe(0);
    expect(await shown('btc')).toEqual(expected('btc'));
    expect((await files()).length).toBe(1);
  },
);

test('a write that S3 refuses is tried again by the next run', async () => {
  faults.puts = 'fails';
  await expect(archive({ graceMs: 0 })).rejects.toMatchObject({ code: 'unavailable' });
  expect(await packed()).toBeGreaterThan(0);
  faults.puts = undefined;
  await archive({ graceMs: 0 });
  expect(await packed()).toBe(0);
});

test.each(['fails', 'truncates', 'alters', 'alters the end'] as const)(
  'a file that changes or cannot be read before the packs are dropped keeps them when S3 %s',
  async (gets) => {
    await archive();
    await passGrace();
    faults.gets = gets;
    await expect(archive()).rejects.toThrow();
    faults.gets = undefined;
    expect(
      (await query(`select from pg_class where relname ~ '^price_snapshots_packed_2' and relkind = 'r'`)).length,
    ).toBe(1);
    await archive();
    expect(
      (await query(`select from pg_class where relname ~ '^price_snapshots_packed_2' and relkind = 'r'`)).length,
    ).toBe(0);
    expect(await shown('btc')).toEqual(expected('btc'));
  },
);

test.each(['fails', 'truncates', 'alters', 'alters the end'] as const)(
  'a read of files when S3 %s shows the truth or fails, and may be tried again',
  async (gets) => {
    await archive({ graceMs: 0 });
    await passGrace();
    faults.gets = gets;
    const url = `/v1/tokens/btc/prices?from=2019-01-01T00:00:00Z&to=2019-02-01T00:00:00Z&limit=${1_000 + Math.floor(Math.random() * 4_000)}`;
    const reply = await call(url);
    if (reply.status === 200) expect(reply.json.prices.length).toBe(expected('btc').length);
    else
      expect([reply.status, reply.json.code ?? reply.json.type]).toEqual([503, expect.stringContaining('unavailable')]);
    if (gets !== 'alters the end') expect(reply.status).toBe(503);
    faults.gets = undefined;
    expect(await shown('btc')).toEqual(expected('btc'));
  },
);
