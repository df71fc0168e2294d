/**
 * A hot read from Redis to response bytes, against the limit (a raw auto-pipelined GET passed through) and against two
 * well-kept caches doing the work that a handler needs: their value turned into JSON for the response.
 */
import { cachified, createCacheEntry } from '@epic-web/cachified';
import { BentoCache, bentostore } from 'bentocache';
import { redisDriver } from 'bentocache/drivers/redis';
import { Redis } from 'ioredis';
import { startRedis } from '../local/redis.ts';
import { createCache } from '../shared/cache/read.ts';
import { connectRedis } from '../shared/cache/redis.ts';

const inFlight = 50;
const readsARound = 20_000;
const rounds = 9;

type Read = () => Promise<unknown>;

/** `npm run bench -- cache` */
export async function benchCache(): Promise<void> {
  const server = await startRedis(() => {}, '');
  console.log(
    `${inFlight} reads in flight, ${readsARound} a round, medians of ${rounds} rounds in turn; ratios are to the limit within a round`,
  );
  for (const bytes of [2_000, 64_000]) await benchSize(server.url, bytes);
  await server.stop();
}

async function benchSize(url: string, bytes: number): Promise<void> {
  const value = makeValue(bytes);
  const body = JSON.stringify(value);
  const { contestants, close } = await prepare(url, value, body);
  const rates = new Map<string, number[]>([...contestants.keys()].map((name) => [name, []]));
  for (const read of contestants.values()) await rate(read, readsARound / 4);
  for (let round = 0; round < rounds; round++) {
    for (const [name, read] of contestants)
      rates.get(name)!.push(await rate(read, bytes > 10_000 ? readsARound / 4 : readsARound));
  }
  const limit = rates.get('raw GET')!;
  console.log(`\n${Buffer.byteLength(body)} bytes of JSON`);
  for (const [name, found] of rates) {
    const ratios = found.map((one, i) => one / limit[i]!);
    const [low, middle, high] = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map((one) => one.toFixed(2));
    console.log(
      `  ${name.padEnd(28)} ${String(Math.round(median(found))).padStart(7)} reads/s   ${middle} of the limit (${low} to ${high})`,
    );
  }
  await close();
}

async function prepare(
  url: string,
  value: unknown,
  body: string,
): Promise<{ contestants: Map<string, Read>; close(): Promise<void> }> {
  const raw = new Redis(url, { enableAutoPipelining: true });
  await raw.set('raw', body);
  const connection = await connectRedis({ url, onFault: () => {} });
  const generation = { load: async () => ({ current: '2', previous: '1' }) };
  const cache = createCache({ redis: connection, generation, maxLoads: 4, namespace: 'bench' });
  const view = { entity: 'bench:1', view: 'metadata', dependsOn: [], ttlSeconds: 86_400, kind: 'fenced' as const };
  const load = async () => ({ snapshot: { xmin: 10, xmax: 10, xip: [] }, status: 200 as const, body });
  await cache.raise([view.entity], 9);
  await cache.read(view, load);

  const bentoConnection = new Redis(url, { enableAutoPipelining: true });
  const bento = new BentoCache({
    default: 'redis',
    stores: { redis: bentostore().useL2Layer(redisDriver({ connection: bentoConnection })) },
  });
  await bento.set({ key: 'bento', value, ttl: '1d' });
  const cachifiedConnection = new Redis(url, { enableAutoPipelining: true });
  const store = {
    get: async (key: string) => JSON.parse((await cachifiedConnection.get(key)) ?? 'null'),
    set: (key: string, entry: unknown) => cachifiedConnection.set(key, JSON.stringify(entry)),
    delete: (key: string) => cachifiedConnection.del(key),
  };
  await store.set('cachified', createCacheEntry(value, { ttl: 86_400_000 }));
  const getFreshValue = () => {
    throw new Error('a hot read loads nothing');
  };
  const contestants = new Map<string, Read>([
    ['raw GET', () => raw.getBuffer('raw')],
    ['raw GET again (noise)', () => raw.getBuffer('raw')],
    ['tributary', () => cache.read(view, load)],
    ['bentocache', async () => JSON.stringify(await bento.get({ key: 'bento' }))],
    [
      'cachified',
      async () => JSON.stringify(await cachified({ key: 'cachified', cache: store, getFreshValue, ttl: 86_400_000 })),
    ],
  ]);
  return {
    contestants,
    async close() {
      await bento.disconnectAll();
      await connection.close();
      for (const redis of [raw, bentoConnection, cachifiedConnection]) redis.disconnect();
    },
  };
}

/** Reads a second, with so many in flight all the time. */
async function rate(read: Read, reads: number): Promise<number> {
  let left = reads;
  const startedAt = performance.now();
  const worker = async () => {
    while (left-- > 0) await read();
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (reads / (performance.now() - startedAt)) * 1_000;
}

function makeValue(bytes: number): unknown {
  const nfts: unknown[] = [];
  for (let i = 0; JSON.stringify({ nfts }).length < bytes; i++) {
    nfts.push({
      tokenId: String(i),
      name: `Harbour Lights #${i}`,
      imageUrl: `https://cdn.example.com/hrbr/${i}.png`,
      traits: [{ type: 'Fog', value: `Amber ${(i * 7_919) % 101}` }],
    });
  }
  return { nfts };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
