/**
 * The fenced cache: answers stored in Redis that never hide an announced change.
 *
 * The problem. A reader misses and reads an old row from a lagging replica. A change commits and its invalidation runs.
 * Then the reader stores the old row, which stays cached until its TTL ends.
 *
 * The idea. Every entity has a random *tag*, in a Redis hash together with its views. A committed change raises a
 * *fence*: the entity gets a new tag, loses all its views, and remembers the id of the transaction. A load takes the
 * tags of its entities when it begins, and proves that it has seen every transaction they remember. It may store its
 * result only if its home entity still has the same tag; the tags of the entities it depends on, at most three, are
 * stored in the entry. So an entry is valid if it exists and its dependencies' tags are unchanged. A hit compares
 * nothing else.
 *
 *     read ─▶ look: HGET the view (and the tags it depends on) ──valid──▶ hit
 *               │ not valid
 *               ▼
 *             begin: take the view's lease, the tags, and what they remember ──lease is held──▶ wait for the result
 *               │ lease taken
 *               ▼
 *             load from a replica, if its snapshot shows every fence
 *               │ it does not          (a long transaction hides later ones, or the replica lags)
 *             load from a replica, if it reports every transaction as committed before it reads
 *               │ it does not          (the replica lags)
 *             load from the primary, which has seen every fence if it is the primary
 *               │
 *               ▼
 *             fill, if the tag is still the same; if not, leave the result for waiting readers
 *
 * Why it works. A fence is raised after its commit, so a load that begins later and reads from the primary sees the
 * change; a replica has to prove that it does (`proof.ts`). A fence raised during the load changes the tag, and the
 * fill is refused. Tags are random, so a tag that was lost with its hash, or with Redis' last writes, never comes back,
 * as a counter's value would. Losing a hash also loses the transactions it remembered: a replica that has not seen them
 * could then fill it. So every change is delivered again after the longest lag, and raises the fence of a hash that
 * does not remember it.
 *
 * The guarantee holds for each entity on its own. It says nothing about several entities together.
 */
import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { TributaryError, Unavailable } from '../kernel/errors.ts';
import { notFoundTtlSeconds } from '../kernel/view.ts';
import { decodeEntry, type Entry, type Served, tagLength, toEntry } from './entry.ts';
import { createGenerations, type Generation, type GenerationSource } from './generation.ts';
import { type Fence, type Proof, parseFence, proofOf } from './proof.ts';
import type { RedisConnection } from './redis.ts';
import { tagField } from './scripts.ts';
import { type CachedView, type Load, type Loaded, type Source, Unproven } from './view.ts';

export interface CacheOptions {
  redis: RedisConnection;
  generation: GenerationSource;
  /** Maximum concurrent loads in this container; others wait. */
  maxLoads: number;
  /** Proofs accepted from a replica: snapshot and transaction status, snapshot only, or none. */
  replicaProofs?: 'status' | 'snapshot' | 'none';
  /** How long a lease lasts. A slower load still answers its own reader, but leaves no result for others. */
  loadDeadlineMs?: number;
  /** How long a fence is remembered. Must exceed the sum of replica lag, load time, and queue delay. */
  marginMs?: number;
  /** The key of Redis' copy of the generation. */
  generationKey?: string;
  /** Called for each accepted load, with its proof. */
  onLoad?(proof: Proof | 'none'): void;
}

export interface ReadOptions {
  /** Accept an entry that ended at most this long ago. */
  maxStaleSeconds?: number;
  /** Accept only an answer that was checked against every fence: from the cache, or proven. */
  mustBeFenced?: boolean;
}

export interface Cache {
  /**
   * The answer of a view: from the cache, or loaded.
   *
   * @throws Unavailable  no host could prove that it shows every fence (retryable)
   * @throws what `load` throws
   */
  read(view: CachedView, load: Load, options?: ReadOptions): Promise<Served>;
  /**
   * Raises the fence of each entity for the change in transaction `xid`, which must have committed. The second delivery
   * of a change does nothing for entities known to have received the first.
   *
   * @throws Unavailable  the database or Redis failed (retryable)
   */
  raise(entities: readonly string[], xid: number, delivery?: 'first' | 'second'): Promise<void>;
  /** Voids the whole cache, within ten seconds of Redis responding. @throws Unavailable  the database failed */
  revokeGeneration(): Promise<void>;
  /**
   * After a revocation, voids it for every container within a second.
   *
   * @throws Unavailable  the database or Redis failed
   */
  renewGeneration(): Promise<void>;
  /** The generation that reads use. @throws Unavailable  the database or Redis failed */
  generation(): Promise<Generation>;
}

const defaultOptions: ReadOptions = {};
const resultTtlMs = 2_000;
/** Length of a time in a result, in microseconds. */
const timeLength = 16;
const pollMs = { min: 8, max: 30 };

/** The state of a view when a load begins. */
interface Begun {
  generation: Generation;
  keys: Keys;
  /** The token of the lease's holder. */
  holder: string;
  /** The tags of the entity and of its dependencies, in order. */
  tags: readonly string[];
  /** What the load must have seen. */
  fences: readonly Fence[];
  entry: Entry | undefined;
  /** The time by Redis' clock: 16 digits of microseconds. */
  at: string;
  /** What an earlier load found but could not store: when it began, the tags it began under, and its entry. */
  result: { at: string; tags: string; entry: Entry } | undefined;
}

interface Keys {
  hash: string;
  lease: string;
  result: string;
}

/** The key of an entity's hash. The braces keep it in one slot with its leases and results. */
export function hashOf(generation: string, entity: string): string {
  return `${generation}:{${entity}}`;
}

export function createCache(options: CacheOptions): Cache {
  const { redis: connection, replicaProofs = 'status', loadDeadlineMs = 5_000, marginMs = 600_000 } = options;
  const { generationKey = 'tributary:generation', onLoad = () => {} } = options;
  const generations = createGenerations(connection, options.generation, generationKey);
  const limit = pLimit(options.maxLoads);
  /** Lookups of this tick: reads of the same view share one. */
  const looks = new Map<string, Promise<Entry | undefined>>();

  function read(view: CachedView, load: Load, readOptions: ReadOptions = defaultOptions): Promise<Served> {
    if (readOptions.mustBeFenced && !view.isFenced) return loadUncached(view, load, 'writer');
    const fresh = generations.fresh(Date.now());
    return (fresh ? look(fresh.generation, view) : lookAndCheck(view)).then(
      (entry) => {
        if (entry && Date.now() < entry.endsAt && generations.isConfirmed()) return { outcome: 'hit', entry };
        return serveStaleOrLoad(view, load, readOptions, entry);
      },
      () => loadWithoutRedis(view, load, readOptions),
    );
  }

  // 1. look ———————————————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * One lookup for all reads of a view in this tick. Later reads need their own, since they may know of a later fence.
   */
  function look(generation: Generation, view: CachedView): Promise<Entry | undefined> {
    const hash = hashOf(generation.current, view.entity);
    const key = `${hash}${view.field}`;
    let looking = looks.get(key);
    if (!looking) {
      // runs before this tick's commands are written
      if (looks.size === 0) process.nextTick(() => looks.clear());
      looking = lookIn(generation, hash, view);
      looks.set(key, looking);
    }
    return looking;
  }

  function lookIn({ current }: Generation, hash: string, { field, dependsOn }: CachedView): Promise<Entry | undefined> {
    if (dependsOn.length === 0) return connection.attempt((redis) => redis.hgetBuffer(hash, field), decodeEntry);
    return connection.attempt(
      (redis) =>
        Promise.all([
          redis.hgetBuffer(hash, field),
          ...dependsOn.map((entity) => redis.hget(hashOf(current, entity), tagField)),
        ]),
      ([bytes, ...tags]) => ifTagged(decodeEntry(bytes), tags),
    );
  }

  /** Also checks the generation, in the same write, once a second. If it changed, the view is looked up again. */
  async function lookAndCheck(view: CachedView): Promise<Entry | undefined> {
    const last = generations.last()?.generation;
    const looking = last && look(last, view);
    looking?.catch(() => {});
    const { generation } = await generations.check();
    return generation.current === last?.current ? looking : look(generation, view);
  }

  // 2. stale, or loaded ————————————————————————————————————————————————————————————————————————————————————————————————

  async function serveStaleOrLoad(
    view: CachedView,
    load: Load,
    { maxStaleSeconds = 0, mustBeFenced = false }: ReadOptions,
    entry: Entry | undefined,
  ): Promise<Served> {
    if (mustBeFenced) return loadOnce(view, load, { mustBeFenced });
    const isUsable = (graceSeconds: number) => entry !== undefined && Date.now() < entry.endsAt + graceSeconds * 1_000;
    if (isUsable(maxStaleSeconds)) return { outcome: 'stale', entry: entry! };
    return loadOnce(view, load, {}).catch((error: unknown) => {
      if (isUsable(view.graceSeconds ?? 0) && mayAnswerLater(error)) return { outcome: 'stale', entry: entry! };
      throw error;
    });
  }

  /** One load across all containers: the lease's holder loads, the others wait for its result. */
  async function loadOnce(view: CachedView, load: Load, readOptions: ReadOptions): Promise<Served> {
    const token = newTag();
    const deadline = Date.now() + loadDeadlineMs;
    let arrived: { tags: string; at: string } | undefined;
    for (;;) {
      const begun = await begin(view, token).catch((): undefined => undefined);
      if (!begun) return loadWithoutRedis(view, load, readOptions);
      const { at, entry, holder, keys, result, tags } = begun;
      const now = Date.now();
      const isConfirmed = generations.isConfirmed();
      if (entry && now < entry.endsAt && (isConfirmed || !readOptions.mustBeFenced)) {
        if (holder === token) await release(keys, token);
        return { outcome: isConfirmed ? 'hit' : 'stale', entry };
      }
      if (holder === token) return loadAndFill(view, load, begun, token);
      arrived ??= { tags: tags.join(''), at };
      // a load that began after this reader arrived, or under the tags it found, shows every fence it knows of
      if (result && (result.tags === arrived.tags || result.at > arrived.at))
        return { outcome: 'miss', entry: result.entry };
      if (now >= deadline) return answer(view, await limit(() => loadProven(load, begun)), now, 'miss');
      await new Promise((resolve) => setTimeout(resolve, pollMs.min + Math.random() * (pollMs.max - pollMs.min)));
    }
  }

  async function begin({ entity, field, dependsOn }: CachedView, token: string): Promise<Begun> {
    const { generation } = generations.fresh(Date.now()) ?? (await generations.check());
    const hash = hashOf(generation.current, entity);
    const keys = { hash, lease: `${hash}~lease:${field}`, result: `${hash}~result:${field}` };
    const [[holder, tag, fence, bytes, resultBytes, now], ...touched] = await connection.attempt((redis) =>
      Promise.all([
        redis.beginLoadBuffer(hash, keys.lease, keys.result, field, token, loadDeadlineMs, newTag(), marginMs),
        ...dependsOn.map((one) => redis.touchEntityBuffer(hashOf(generation.current, one), newTag(), marginMs)),
      ]),
    );
    const dependencyTags = touched.map(([one]) => one.toString('latin1'));
    return {
      generation,
      keys,
      holder: holder.toString('latin1'),
      tags: [tag.toString('latin1'), ...dependencyTags],
      fences: [fence, ...touched.map(([, one]) => one)].map(parseFence).concat(fenceOf(generation)),
      entry: ifTagged(decodeEntry(bytes), dependencyTags),
      at: now.toString('latin1'),
      result: parseResult(resultBytes, 1 + dependencyTags.length),
    };
  }

  // 3. load ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  /** The result of a load that has seen every fence: from a replica if it can prove that, or else from the primary. */
  async function loadProven(load: Load, { fences }: Begun): Promise<Loaded> {
    // fences may be missing in a generation that may be outdated; the primary shows every change without them
    const mayAskReplica = replicaProofs !== 'none' && generations.isConfirmed();
    return (mayAskReplica && (await loadFromReplica(load, fences))) || loadFromPrimary(load, fences);
  }

  async function loadFromReplica(load: Load, fences: readonly Fence[]): Promise<Loaded | undefined> {
    const found = await load({ host: 'replica' });
    if (isProven(found, fences)) return found;
    if (replicaProofs !== 'status') return undefined;
    const again = await load({ host: 'replica', proving: fences }).catch((error: unknown) => {
      if (error instanceof Unproven) return undefined;
      throw error;
    });
    return again && isProven(again, fences) ? again : undefined;
  }

  /**
   * @throws Unavailable  neither this connection nor a new one leads to the primary, or its history is a different one
   */
  async function loadFromPrimary(load: Load, fences: readonly Fence[]): Promise<Loaded> {
    const found = await load({ host: 'writer' });
    if (isProven(found, fences)) return found;
    const again = await load({ host: 'writer', insteadOf: found.evidence! });
    if (isProven(again, fences)) return again;
    if (again.evidence?.inRecovery) throw new Unavailable('The database has no primary. Retry after the failover.');
    await generations.revoke();
    await generations.renew();
    throw new Unavailable('The database history does not match the cache. The cache was cleared; retry.');
  }

  function isProven({ evidence }: Loaded, fences: readonly Fence[]): boolean {
    const proof = evidence ? proofOf(evidence, fences) : 'none';
    if (proof) onLoad(proof);
    return proof !== undefined;
  }

  async function loadAndFill(view: CachedView, load: Load, begun: Begun, token: string): Promise<Served> {
    const startedAt = Date.now();
    try {
      const loaded = await limit(() => loadProven(load, begun));
      const [, ...dependencyTags] = begun.tags;
      const entry = await toEntry(loaded, dependencyTags, startedAt, lifeMs(view, loaded));
      await fill(view, begun, token, entry);
      return toServed('miss', entry, loaded);
    } catch (error) {
      await release(begun.keys, token);
      throw error;
    }
  }

  // 4. fill ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  async function fill(view: CachedView, begun: Begun, token: string, entry: Entry): Promise<void> {
    const { generation, keys, tags } = begun;
    const [tag, ...dependencyTags] = tags;
    const ttlMs = Math.ceil(entry.endsAt - entry.loadedAt + (view.graceSeconds ?? 0) * 1_000 + marginMs);
    await connection
      .attempt((redis) =>
        Promise.all([
          // the entry is valid only while the tags it names exist
          ...view.dependsOn.map((one) => redis.pexpire(hashOf(generation.current, one), ttlMs, 'GT')),
          redis.fillView(
            keys.hash,
            keys.lease,
            keys.result,
            view.field,
            token,
            tag!,
            dependencyTags.join(''),
            entry.bytes,
            ttlMs,
            Date.now(),
            begun.at,
            resultTtlMs,
          ),
        ]),
      )
      .catch(() => release(keys, token));
  }

  async function release({ lease }: Keys, token: string): Promise<void> {
    await connection.attempt((redis) => redis.releaseLease(lease, token)).catch(() => {});
  }

  // without the cache ——————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * The primary shows every change. Once the breaker is open, a replica takes the load, and the answer is a `bypass`.
   */
  async function loadWithoutRedis(view: CachedView, load: Load, { mustBeFenced }: ReadOptions): Promise<Served> {
    const mayBypass = connection.isOpen() && !mustBeFenced && replicaProofs !== 'none';
    return loadUncached(view, load, mayBypass ? 'replica' : 'writer');
  }

  async function loadUncached(view: CachedView, load: Load, host: Source['host']): Promise<Served> {
    const startedAt = Date.now();
    const loaded = await limit(() => (host === 'writer' ? loadFromPrimary(load, []) : load({ host })));
    return answer(view, loaded, startedAt, host === 'writer' ? 'miss' : 'bypass');
  }

  /** An answer that is not stored, so it has no tags. */
  async function answer(
    view: CachedView,
    loaded: Loaded,
    startedAt: number,
    outcome: 'miss' | 'bypass',
  ): Promise<Served> {
    return toServed(outcome, await toEntry(loaded, [], startedAt, lifeMs(view, loaded)), loaded);
  }

  // a change ———————————————————————————————————————————————————————————————————————————————————————————————————————————

  async function raise(
    entities: readonly string[],
    xid: number,
    delivery: 'first' | 'second' = 'first',
  ): Promise<void> {
    const { current, previous } = await generations.forRaise();
    const hashes = [current, ...previous].flatMap((name) => entities.map((entity) => hashOf(name, entity)));
    // in batches, so that no command waits long behind the others
    for (let at = 0; at < hashes.length; at += 100) {
      const batch = hashes.slice(at, at + 100);
      await connection.attempt((redis) =>
        Promise.all(
          batch.map((hash) => redis.raiseFence(hash, xid, newTag(), marginMs, delivery === 'second' ? '1' : '0')),
        ),
      );
    }
  }

  return {
    read,
    raise,
    revokeGeneration: generations.revoke,
    renewGeneration: generations.renew,
    generation: async () => (await generations.check()).generation,
  };
}

function toServed(outcome: Served['outcome'], entry: Entry, { servedBy }: Loaded): Served {
  return { outcome, entry, ...(servedBy ? { servedBy } : {}) };
}

/** A new tag, or a new token for a lease. */
function newTag(): string {
  return randomBytes(6).toString('base64url');
}

/** The entry, if its dependencies still have the tags that its load began under. */
function ifTagged(entry: Entry | undefined, tags: readonly (string | null)[]): Entry | undefined {
  const entryTags = entry?.tags;
  return entryTags?.length === tags.length && entryTags.every((tag, i) => tag === tags[i]) ? entry : undefined;
}

/** A generation counts as one more fence: it covers everything that was raised only in earlier generations. */
export function fenceOf({ since }: Generation): Fence {
  return { forgotten: 0, xids: [since] };
}

function parseResult(bytes: Buffer | null, tags: number): Begun['result'] {
  const entryAt = timeLength + tagLength * tags;
  const entry = bytes ? decodeEntry(bytes.subarray(entryAt)) : undefined;
  if (!bytes || !entry) return undefined;
  return { at: bytes.toString('latin1', 0, timeLength), tags: bytes.toString('latin1', timeLength, entryAt), entry };
}

function lifeMs(view: CachedView, { status }: Loaded): number {
  const ttlMs = view.ttlSeconds * 1_000;
  const life = status === 404 ? Math.min(notFoundTtlSeconds * 1_000, ttlMs) : ttlMs;
  return Math.ceil(life * (1 - Math.random() * 0.1));
}

/** Whether the source may answer later: the database or an upstream is down, slow, or over a budget. */
function mayAnswerLater(error: unknown): boolean {
  return error instanceof TributaryError && error.retryable;
}
