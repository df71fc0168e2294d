/**
 * The fence under load: a primary, a lagging replica, writers, readers, and the full path of a change: commit, outbox,
 * relay, bus, queue, fence. Counts the reads that are older than a fence raised before they began, the keys that are still
 * stale after the load, and the loads; and does the same for a plain read-through cache that deletes on write.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import sql from 'sql-template-tag';
import { startEventBus } from '../local/event-bus.ts';
import { startPostgres } from '../local/postgres.ts';
import { startQueues } from '../local/queues.ts';
import { startRedis } from '../local/redis.ts';
import { startSecrets } from '../local/secrets.ts';
import type { Outcome } from '../shared/cache/entry.ts';
import type { Source } from '../shared/cache/view.ts';
import { migrate } from '../test/support/migrate.ts';
import { tempFolder } from '../test/support/temp-folder.ts';

export interface FenceOptions {
  seconds: number;
  /** The load goes on beyond its seconds until this much is done, so that a slow machine proves as much. */
  atLeast?: { reads: number; writes: number };
  keys: number;
  writers: number;
  readers: number;
  /** `fenced`: ours. `outboxOnly`: ours, without the direct raise after COMMIT. `deleteOnWrite`: a plain cache. */
  cache: 'fenced' | 'outboxOnly' | 'deleteOnWrite';
  /** Runs with a write transaction that is open throughout, or with a bus that takes 300 ms to accept a call. */
  trouble?: 'openTransaction' | 'slowBus';
}

/** Counts of loads by host and by what proved them. */
export interface Loads {
  /** Statements on the replica. */
  onReplica: number;
  /** Those that the replica's snapshot did not prove. */
  unprovenBySnapshot: number;
  /** Those of them that the status of the transactions did not prove either, so that they went to the writer. */
  unprovenByStatus: number;
  onWriter: number;
}

export interface FenceReport {
  reads: number;
  writes: number;
  hitRate: number;
  loads: Loads;
  /** Reads that bypassed the cache because Redis did not respond, and say so. */
  bypassed: number;
  /** Those of them that returned an old value. */
  staleBypassed: number;
  /** Other reads that returned an older value than one whose fence had been raised before the read began. */
  staleReads: number;
  /** Keys whose cached value is still old after the load, when the queues are empty and the replica has caught up. */
  staleKeys: number;
}

export interface FenceBench {
  /** Runs a load on new keys. */
  run(options: FenceOptions): Promise<FenceReport>;
  stop(): Promise<void>;
}

const hotKeys = 2;
const slowBusMs = 300;

/** Starts the servers. The replica applies changes after the delay. */
export async function startFenceBench(applyDelayMs: number): Promise<FenceBench> {
  const world = await startWorld(applyDelayMs);
  return {
    async run(options) {
      const prefix = randomBytes(3).toString('hex');
      const keys = Array.from({ length: options.keys }, (_, i) => `${prefix}-${i}`);
      await world.prepare(keys);
      const endTrouble = await world.trouble(options.trouble);
      const subject =
        options.cache === 'deleteOnWrite' ? await plainCache(world) : await fencedCache(options.cache, world);
      return load(options, keys, subject).finally(endTrouble);
    },
    stop: world.stop,
  };
}

interface Subject {
  loads: Loads;
  read(key: string): Promise<{ value: number; outcome: Outcome }>;
  /** Resolves when no read may return an older value. */
  write(key: string, value: number): Promise<void>;
  settle(): Promise<void>;
}

const noLoads = (): Loads => ({ onReplica: 0, unprovenBySnapshot: 0, unprovenByStatus: 0, onWriter: 0 });

/** Picks a hot key for half of the commits. */
function pickToWrite(keys: readonly string[]): string {
  const [from, to] = Math.random() < 0.5 ? [0, hotKeys] : [hotKeys, keys.length];
  return keys[from + Math.floor(Math.random() * (to - from))]!;
}

async function load(
  { seconds, atLeast = { reads: 0, writes: 0 }, writers, readers }: FenceOptions,
  keys: string[],
  subject: Subject,
): Promise<FenceReport> {
  const endsAt = Date.now() + seconds * 1_000;
  const settled = new Map(keys.map((key) => [key, 0]));
  const written = new Map(keys.map((key) => [key, 0]));
  const busy = new Set<string>();
  const report = { reads: 0, writes: 0, hits: 0, bypassed: 0, staleBypassed: 0, staleReads: 0 };

  const goesOn = () => Date.now() < endsAt || report.reads < atLeast.reads || report.writes < atLeast.writes;

  const write = async () => {
    while (goesOn()) {
      const key = pickToWrite(keys);
      if (!busy.has(key)) {
        busy.add(key);
        const value = written.get(key)! + 1;
        written.set(key, value);
        await subject.write(key, value);
        settled.set(key, value);
        report.writes++;
        busy.delete(key);
      }
      await new Promise((resolve) => setTimeout(resolve, 40 * Math.random() + 5));
    }
  };
  const read = async () => {
    while (goesOn()) {
      const key = keys[Math.floor(Math.random() ** 2 * keys.length)]!;
      const minimum = settled.get(key)!;
      const { value, outcome } = await subject.read(key);
      report.reads++;
      if (outcome === 'hit') report.hits++;
      if (outcome === 'bypass') report.bypassed++;
      if (value < minimum) report[outcome === 'bypass' ? 'staleBypassed' : 'staleReads']++;
    }
  };
  await Promise.all([...Array.from({ length: writers }, write), ...Array.from({ length: readers }, read)]);
  const loads = { ...subject.loads };
  await subject.settle();
  let staleKeys = 0;
  for (const key of keys) if ((await subject.read(key)).value !== written.get(key)) staleKeys++;
  const { hits, ...rest } = report;
  return { ...rest, loads, hitRate: hits / report.reads, staleKeys };
}

type World = Awaited<ReturnType<typeof startWorld>>;

async function startWorld(applyDelayMs: number) {
  const directory = await tempFolder('tributary-fence');
  const [postgres, redis, queues] = await Promise.all([
    startPostgres({ directory, log: () => {} }),
    startRedis(() => {}, ''),
    startQueues({ onObjectCreated: async () => {} }),
  ]);
  const bus = await startEventBus(
    [{ bus: 'bus', pattern: { source: ['tributary'] }, targets: [{ queue: 'invalidate-cache' }] }],
    (queue, body) => void queues.server.sendMessage(queue, body),
  );
  const slow = await startSlowBus(bus.url);
  const secrets = await startSecrets(new Map([['owner', { username: 'owner', password: 'owner' }]]));
  for (const name of ['invalidate-cache', 'relay-outbox']) queues.server.createQueue(name);
  const client = await postgres.connect();
  await migrate(client);
  await postgres.setApplyDelay(applyDelayMs);
  Object.assign(process.env, {
    STAGE: 'bench',
    SERVICE: 'fence',
    LOG_LEVEL: 'ERROR',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_SQS: queues.url,
    AWS_ENDPOINT_URL_EVENTBRIDGE: slow.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    DATABASE_WRITER_HOST: postgres.writer,
    DATABASE_READER_HOST: postgres.reader,
    DATABASE_ANALYTICS_HOST: postgres.reader,
    DATABASE_NAME: 'postgres',
    DATABASE_CLUSTER_ID: 'test',
    DATABASE_READ_SECRET_ARN: 'owner',
    DATABASE_WRITE_SECRET_ARN: 'owner',
    DATABASE_POOL_SIZE: '16',
    DATABASE_TLS: 'off',
    // reads must use the replica although it lags
    DATABASE_LAG_THRESHOLD_MS: '3600000',
    REDIS_URL: redis.url,
    RELAY_QUEUE_URL: `${queues.url}/000000000000/relay-outbox`,
    BUS_NAME: 'bus',
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_TRACE_ENABLED: 'false',
  });
  const [{ forgetEnv }, { closePools }, resources] = await Promise.all([
    import('../shared/env.ts'),
    import('../shared/db/pools.ts'),
    import('../shared/resources.ts'),
  ]);
  forgetEnv();
  return {
    applyDelayMs,
    queuesUrl: queues.url,
    resources,
    async prepare(keys: string[]) {
      await client.query('create table if not exists things (key text primary key, value integer not null)');
      await client.query('insert into things select key, 0 from unnest($1::text[]) as key', [keys]);
      await new Promise((resolve) => setTimeout(resolve, applyDelayMs + 500));
    },
    /** Causes trouble until the returned function is called. */
    async trouble(kind: FenceOptions['trouble']): Promise<() => Promise<void>> {
      if (kind === 'slowBus') slow.delayMs = slowBusMs;
      const open = await postgres.connect();
      if (kind === 'openTransaction') await open.query('begin; select pg_current_xact_id()');
      return async () => {
        slow.delayMs = 0;
        await open.end();
      };
    },
    async stop() {
      slow.stop();
      await resources.closeResources();
      await closePools();
      await client.end();
      await Promise.all([postgres.stop(), redis.stop(), queues.stop(), bus.stop(), secrets.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A proxy that delays calls to the bus. */
async function startSlowBus(target: string) {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    await new Promise((resolve) => setTimeout(resolve, slow.delayMs));
    const headers = Object.entries(request.headers).filter(([name]) => /^(content-type|x-amz-target)$/.test(name));
    const answer = await fetch(target, {
      method: 'POST',
      headers: Object.fromEntries(headers) as Record<string, string>,
      body: Buffer.concat(parts),
    });
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const slow = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delayMs: 0,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
  return slow;
}

/** Our cache: reads through it and writes with commit(), while the relay and the consumer run. */
async function fencedCache(
  kind: 'fenced' | 'outboxOnly',
  { resources, queuesUrl, applyDelayMs }: World,
): Promise<Subject> {
  const [{ readProvably }, { commit }, { inTransaction }, { relayOutbox }, { handler }, { Unproven }] =
    await Promise.all([
      import('../shared/db/read.ts'),
      import('../shared/changes/commit.ts'),
      import('../shared/db/transaction.ts'),
      import('../shared/events/relay.ts'),
      import('../functions/platform/invalidate-cache.ts'),
      import('../shared/cache/view.ts'),
    ]);
  const cache = await resources.getCache();
  const loads = noLoads();
  const loadFrom = async (key: string, source: Source) => {
    if (source.host === 'writer') loads.onWriter++;
    else if (source.proving) loads.unprovenBySnapshot++;
    else loads.onReplica++;
    const found = await readProvably<{ value: number }>(
      sql`select value from public.things where key = ${key}`,
      source,
    ).catch((error: unknown) => {
      if (error instanceof Unproven) loads.unprovenByStatus++;
      throw error;
    });
    return { evidence: found.evidence, status: 200 as const, body: String(found.rows[0]!.value) };
  };
  const unraised = new Set<string>();
  const { raise } = cache;
  cache.raise = (entities, xid) =>
    raise(entities, xid).catch((error: unknown) => {
      for (const entity of entities) unraised.add(entity);
      throw error;
    });
  const stopping = new AbortController();
  const pump = pumpEvents(queuesUrl, (event) => handler(event, {} as never), relayOutbox, stopping.signal);
  const change = async (key: string, value: number, run: typeof commit) =>
    run(async (tx) => {
      await tx.query('update public.things set value = $2 where key = $1', [key, value]);
      await tx.query(`select platform.announce('thing_changed', array['things:' || $1])`, [key]);
    });
  return {
    loads,
    async read(key) {
      const view = { entity: `things:${key}`, field: 'value', dependsOn: [], ttlSeconds: 300, isFenced: true };
      const { outcome, entry } = await cache.read(view, (source) => loadFrom(key, source));
      return { value: Number(entry.body.toString()), outcome };
    },
    async write(key, value) {
      const applied = pump.applied(key);
      await change(key, value, kind === 'fenced' ? commit : inTransaction);
      // without the direct raise, the fence exists only when the consumer has raised it
      if (kind === 'outboxOnly' || unraised.delete(`things:${key}`)) await applied;
    },
    async settle() {
      await new Promise((resolve) => setTimeout(resolve, applyDelayMs + 1_000));
      stopping.abort();
      await pump.done;
    },
  };
}

/** Runs the relay and the consumer, as the schedule and the event source do. */
function pumpEvents(
  queuesUrl: string,
  handler: (event: never) => Promise<unknown>,
  relay: (deadline: Date) => Promise<number>,
  signal: AbortSignal,
) {
  const sqs = new SQSClient({
    endpoint: queuesUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const url = `${queuesUrl}/000000000000/invalidate-cache`;
  const waiting = new Map<string, (() => void)[]>();
  const relaying = (async () => {
    while (!signal.aborted)
      if ((await relay(new Date(Date.now() + 5_000))) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  })();
  const consume = async () => {
    while (!signal.aborted) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      );
      if (Messages.length === 0) continue;
      await handler({
        Records: Messages.map(({ MessageId, Body }) => ({
          messageId: MessageId,
          body: Body,
          attributes: { ApproximateReceiveCount: '1' },
          eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:invalidate-cache',
        })),
      } as never);
      for (const { ReceiptHandle, Body } of Messages) {
        await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: ReceiptHandle! }));
        for (const entity of JSON.parse(Body!).detail.entities as string[])
          for (const resolve of waiting.get(entity)?.splice(0) ?? []) resolve();
      }
    }
  };
  const consuming = Promise.all([consume(), consume()]);
  return {
    done: Promise.all([relaying, consuming]).then(() => sqs.destroy()),
    /** Resolves when the consumer has raised the fence of a change. */
    applied: (key: string) =>
      new Promise<void>((resolve) => {
        const entity = `things:${key}`;
        waiting.set(entity, [...(waiting.get(entity) ?? []), resolve]);
      }),
  };
}

/** The usual cache: read-through from the replica, with a TTL, deleted on write. */
async function plainCache({ resources, applyDelayMs }: World): Promise<Subject> {
  const [{ query }, { inTransaction }] = await Promise.all([
    import('../shared/db/read.ts'),
    import('../shared/db/transaction.ts'),
  ]);
  const { redis } = await resources.getRedis();
  const prefix = `plain:${randomBytes(4).toString('hex')}`;
  const loads = noLoads();
  return {
    loads,
    async read(key) {
      const cached = await redis.get(`${prefix}:${key}`);
      if (cached !== null) return { value: Number(cached), outcome: 'hit' };
      loads.onReplica++;
      const [row] = await query<{ value: number }>(sql`select value from public.things where key = ${key}`, 'api');
      await redis.set(`${prefix}:${key}`, String(row!.value), 'EX', 300);
      return { value: row!.value, outcome: 'miss' };
    },
    async write(key, value) {
      await inTransaction((tx) => tx.query('update public.things set value = $2 where key = $1', [key, value]));
      await redis.del(`${prefix}:${key}`);
    },
    settle: () => new Promise((resolve) => setTimeout(resolve, applyDelayMs + 1_000)),
  };
}

/** `npm run bench -- fence`: runs each case for thirty seconds. */
export async function benchFence(): Promise<void> {
  const common = { seconds: 30, keys: 64, writers: 4, readers: 16 };
  const applyDelayMs = 200;
  const bench = await startFenceBench(applyDelayMs);
  console.log(
    `${common.writers} writers, ${common.readers} readers, ${common.keys} keys, ${hotKeys} of which get half of the commits, ` +
      `${common.seconds} s per case, a replica ${applyDelayMs} ms behind`,
  );
  const runs: [string, Pick<FenceOptions, 'cache' | 'trouble'>][] = [
    ['(a) without trouble', { cache: 'fenced' }],
    ['(b) a write transaction open throughout', { cache: 'fenced', trouble: 'openTransaction' }],
    [`(c) a bus that takes ${slowBusMs} ms per call`, { cache: 'fenced', trouble: 'slowBus' }],
    ['(d) fences only from the outbox', { cache: 'outboxOnly' }],
    ['(e) a plain cache, deleted on write', { cache: 'deleteOnWrite' }],
  ];
  for (const [name, options] of runs) print(name, common, await bench.run({ ...common, ...options }));
  await bench.stop();
}

function print(name: string, { seconds, keys }: { seconds: number; keys: number }, report: FenceReport): void {
  const { reads, writes, hitRate, loads, bypassed, staleBypassed, staleReads, staleKeys } = report;
  const { onReplica, onWriter, unprovenBySnapshot, unprovenByStatus } = loads;
  const percent = (part: number, of: number) => `${((100 * part) / Math.max(1, of)).toFixed(1)} %`;
  console.log(`
${name}
  ${Math.round(reads / seconds)} reads/s, ${Math.round(writes / seconds)} commits/s, hit rate ${percent(hitRate, 1)}
  stale reads ${staleReads}, stale keys ${staleKeys} of ${keys}; bypassed Redis ${bypassed}, stale ${staleBypassed} of them
  loads per commit ${((onReplica + unprovenBySnapshot - unprovenByStatus + onWriter) / writes).toFixed(2)} statements; \
misses per commit ${(onReplica / writes).toFixed(2)}
  ${onReplica} loads on the replica: proven by its snapshot ${percent(onReplica - unprovenBySnapshot, onReplica)}, \
by status ${percent(unprovenBySnapshot - unprovenByStatus, onReplica)}, sent to the writer ${percent(unprovenByStatus, onReplica)}`);
}
