/**
 * A hot read, from Redis to response bytes. Compared with the limits (a raw auto-pipelined HGET of the same field, and a
 * GET of the plain body) and with two well-maintained caches that do what a handler needs: return their value as JSON.
 */
import { cachified, createCacheEntry } from '@epic-web/cachified';
import { BentoCache, bentostore } from 'bentocache';
import { redisDriver } from 'bentocache/drivers/redis';
import { Redis } from 'ioredis';
import { startRedis } from '../local/redis.ts';
import type { GenerationSource } from '../shared/cache/generation.ts';
import { type Cache, createCache, hashOf } from '../shared/cache/read.ts';
import { connectRedis } from '../shared/cache/redis.ts';
import { type CachedView, type Load, Unproven } from '../shared/cache/view.ts';
import { median, spread } from './world.ts';

const rounds = 15;
const roundMs = 250;

type Read = () => Promise<unknown>;
type Contestants = Map<string, Read>;

const fixed = async () => ({ current: 'bench', previous: [], since: 3 });
const generation: GenerationSource = { ensure: fixed, peek: fixed, revoke: async () => {} };

/** `npm run bench -- cache` */
export async function benchCache(): Promise<void> {
  const server = await startRedis(() => {}, '');
  console.log(
    `${rounds} rounds of ${roundMs} ms per contestant; each figure is a ratio to the first of its round: median (lowest to highest)`,
  );
  const world = await prepare(server.url, 2_000);
  await race('2 KB, 50 in flight, each of a different view', 50, world.hot);
  await race('2 KB, 1 in flight', 1, world.hot);
  await race('2 KB with dependencies, 50 in flight, each of a different view', 50, world.dependent);
  await race('60 equal reads in one tick', 1, world.equal);
  await race('2 KB compared with other caches, 50 in flight, all of one view', 50, world.peers);
  await world.close();
  const large = await prepare(server.url, 64_000);
  await race('64 KB compared with other caches, 50 in flight, all of one view', 50, large.peers);
  await large.close();
  await stampede(server.url);
  await server.stop();
}

/** Runs all contestants in each round, and prints their ratios to the first. */
async function race(title: string, inFlight: number, contestants: Contestants): Promise<void> {
  const rates = new Map<string, number[]>([...contestants.keys()].map((name) => [name, []]));
  for (const read of contestants.values()) await rate(read, inFlight);
  const names = [...contestants.keys()];
  for (let round = 0; round < rounds; round++) {
    // rotate the order, so that no contestant is always first
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]!;
      rates.get(name)!.push(await rate(contestants.get(name)!, inFlight));
    }
  }
  const first = rates.get(names[0]!)!;
  console.log(`\n${title}`);
  for (const [name, found] of rates) {
    const ratios = found.map((one, i) => one / first[i]!);
    console.log(`  ${name.padEnd(34)} ${String(Math.round(median(found))).padStart(7)}/s   ${spread(ratios)}`);
  }
}

async function prepare(url: string, bytes: number) {
  const value = makeValue(bytes);
  const body = JSON.stringify(value);
  const connection = await connectRedis({ url, onFault: () => {} });
  const cache = createCache({ redis: connection, generation, maxLoads: 4 });
  const load: Load = async ({ host }) => ({
    evidence: { host, inRecovery: host === 'replica', snapshot: { xmin: 1e6, xmax: 1e6, xip: [] } },
    status: 200,
    body,
  });
  /** Fifty cached views, one for each read in flight. `fences` were raised on each entity before. */
  const viewsOf = async (name: string, fences: number, dependsOn: string[] = []): Promise<CachedView[]> => {
    const views = Array.from({ length: 50 }, (_, i) => ({
      entity: `${name}:${bytes}:${i}`,
      field: 'getThing~12345678',
      dependsOn,
      ttlSeconds: 86_400,
      isFenced: true,
    }));
    for (let xid = 100; xid < 100 + fences; xid++) {
      await cache.raise([...views.map(({ entity }) => entity), ...dependsOn], xid);
    }
    for (const view of views) await cache.read(view, load);
    return views;
  };
  const inTurn = <T>(all: T[], read: (one: T) => Promise<unknown>): Read => {
    let turn = 0;
    return () => read(all[turn++ % all.length]!);
  };
  const hot = (view: CachedView) => cache.read(view, load);
  const plain = await viewsOf('plain', 1);
  const fenced = await viewsOf('fenced', 200);
  const one = await viewsOf('one', 1, ['dep:1']);
  const three = await viewsOf('three', 1, ['dep:1', 'dep:2', 'dep:3']);
  const raw = new Redis(url, { enableAutoPipelining: true });
  await raw.set('raw', body);
  const { field } = plain[0]!;
  const hget = (view: CachedView) => raw.hgetBuffer(hashOf('bench', view.entity), field);
  const get = () => raw.getBuffer('raw');
  const others = await peers(url, value);
  return {
    hot: new Map<string, Read>([
      ['raw HGET of the same fields', inTurn(plain, hget)],
      ['raw HGET again (noise)', inTurn(plain, hget)],
      ['raw GET of the body', get],
      ['tributary, 1 fence', inTurn(plain, hot)],
      ['tributary, 200 fences', inTurn(fenced, hot)],
    ]),
    dependent: new Map<string, Read>([
      ['raw HGET of the same fields', inTurn(plain, hget)],
      ['tributary, no dependency', inTurn(plain, hot)],
      ['tributary, 1 dependency', inTurn(one, hot)],
      ['tributary, 3 dependencies', inTurn(three, hot)],
    ]),
    equal: new Map<string, Read>([
      ['60 raw HGETs of one field', () => Promise.all(Array.from({ length: 60 }, () => hget(plain[0]!)))],
      ['60 reads of tributary', () => Promise.all(Array.from({ length: 60 }, () => hot(plain[0]!)))],
    ]),
    peers: new Map<string, Read>([
      ['raw GET of the body', get],
      ['raw GET again (noise)', get],
      ['tributary', () => hot(plain[0]!)],
      ...others.contestants,
    ]),
    async close() {
      await others.close();
      await connection.close();
      raw.disconnect();
    },
  };
}

async function peers(url: string, value: unknown): Promise<{ contestants: [string, Read][]; close(): Promise<void> }> {
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
    throw new Error('a hot read must not load');
  };
  return {
    contestants: [
      ['bentocache', async () => JSON.stringify(await bento.get({ key: 'bento' }))],
      [
        'cachified',
        async () => JSON.stringify(await cachified({ key: 'cachified', cache: store, getFreshValue, ttl: 86_400_000 })),
      ],
    ],
    async close() {
      await bento.disconnectAll();
      bentoConnection.disconnect();
      cachifiedConnection.disconnect();
    },
  };
}

/** Reads per second, with `inFlight` concurrent reads. */
async function rate(read: Read, inFlight: number): Promise<number> {
  let reads = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + roundMs;
  const worker = async () => {
    while (performance.now() < endsAt) {
      await read();
      reads++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (reads / (performance.now() - startedAt)) * 1_000;
}

/** Sixty readers miss one view while fences are raised on its entity and an older transaction is open. */
async function stampede(url: string): Promise<void> {
  const connection = await connectRedis({ url, onFault: () => {} });
  const cache = createCache({ redis: connection, generation, maxLoads: 4 });
  const counts: number[] = [];
  for (let round = 0; round < rounds; round++) counts.push(await stampedeOnce(cache, `stampede:${round}`));
  console.log(`\nA stampede of 60 readers, with fences and an open transaction: ${spread(counts, 0)} loads`);
  await connection.close();
}

async function stampedeOnce(cache: Cache, entity: string): Promise<number> {
  let loads = 0;
  let isDone = false;
  let xid = 1_000;
  const load: Load = async (source) => {
    if (source.host === 'replica' && source.proving) throw new Unproven();
    loads++;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const snapshot = { xmin: 900, xmax: 1e6, xip: [] };
    return { evidence: { host: source.host, inRecovery: source.host === 'replica', snapshot }, status: 200, body: 'x' };
  };
  const raising = (async () => {
    while (!isDone) await cache.raise([entity], xid++);
  })();
  const view = { entity, field: 'view', dependsOn: [], ttlSeconds: 300, isFenced: true };
  await Promise.all(Array.from({ length: 60 }, () => cache.read(view, load)));
  isDone = true;
  await raising;
  return loads;
}

function makeValue(bytes: number): unknown {
  const nfts: unknown[] = [];
  for (let i = 0; JSON.stringify({ nfts }).length < bytes; i++) {
    nfts.push({
      tokenId: String(i),
      name: `Harbor Lights #${i}`,
      imageUrl: `https://cdn.example.com/hrbr/${i}.png`,
      traits: [{ type: 'Fog', value: `Amber ${(i * 7_919) % 101}` }],
    });
  }
  return { nfts };
}
