/**
 * The fenced cache: answers kept in Redis that never hide a change that was announced.
 *
 * The problem. A reader misses, reads an old row from a replica that lags, a change is committed and its invalidation
 * runs, and then the reader stores the old row, which stays until its time is up.
 *
 * The idea. Every entity has a random *tag*, in a Redis hash together with its views. A committed change raises a *fence*:
 * the entity gets a new tag, loses all its views, and remembers the id of the transaction. A load takes the tags of its
 * entities when it begins, and proves that it has seen every transaction they remember. It may store what it found only
 * while its home entity still has that tag; the tags of the up to three entities it depends on travel in the entry. So
 * an entry is valid if it is there and its dependencies' tags are equal. Nothing else is compared on a hit.
 *
 *     read ─▶ look: HGET the view (and the tags it depends on) ──valid──▶ hit
 *               │ otherwise
 *               ▼
 *             begin: take the view's lease, the tags and what they remember ──somebody else loads──▶ wait for the result
 *               │ ours
 *               ▼
 *             load from a replica, if its snapshot shows every fence
 *               │ it does not          (a long transaction hides later ones, or the replica lags)
 *             load from a replica, if it calls every transaction committed before it reads
 *               │ it does not          (the replica lags)
 *             load from the writer, which has seen every fence if it is the writer
 *               │
 *               ▼
 *             fill, if the tag is still the same; otherwise leave the result for those who wait
 *
 * Why it holds. A fence is raised after its commit, so a load that begins later and reads from the writer sees it; a
 * replica has to prove that it does (`proof.ts`). A fence that comes during the load changes the tag, and the fill is
 * refused. Tags are random, so one that was lost with its hash, or with Redis' last writes, never comes back by counting.
 * What is lost with a hash are the transactions it remembered: a replica could then fill it with what it has not seen.
 * So every change is delivered once more after the longest lag, and raises the fence of a hash that does not remember it.
 *
 * What a fence promises, it promises for each entity by itself; nothing is said about several entities together.
 */
import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { TributaryError, Unavailable } from '../kernel/errors.ts';
import { notFoundTtlSeconds } from '../kernel/view.ts';
import { decodeEntry, type Entry, tagLength, toEntry } from './entry.ts';
import { createGenerations, type Generation, type GenerationSource } from './generation.ts';
import { type Fence, type Proof, parseFence, proofOf } from './proof.ts';
import type { RedisConnection } from './redis.ts';
import { tagField } from './scripts.ts';
import { type CachedView, type Load, type Loaded, type Served, type Source, Unproven } from './view.ts';

export interface CacheOptions {
  redis: RedisConnection;
  generation: GenerationSource;
  /** Loads that this container runs at once; the others wait. */
  maxLoads: number;
  /** What a replica's loads are believed for: both proofs, its snapshot alone, or nothing. */
  replicaProofs?: 'status' | 'snapshot' | 'none';
  /** A load that took longer is answered, not left for others. */
  loadDeadlineMs?: number;
  /** How long a fence is remembered: more than a replica lags, a load takes and a queue delays together. */
  marginMs?: number;
  /** The key of Redis' copy of the generation. */
  generationKey?: string;
  /** Called with each load and the proof that let it pass. */
  onLoad?(proof: Proof | 'none'): void;
}

export interface ReadOptions {
  /** An entry that ended at most this long ago will do. */
  maxStaleSeconds?: number;
  /** Only an answer that is checked against every fence will do: from the cache, or proven. */
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
   * Raises the fence of each entity for the change of the transaction `xid`, after it has committed. The second delivery
   * of a change does nothing where the first is known to have come through.
   *
   * @throws Unavailable  the database or Redis failed (retryable)
   */
  raise(entities: readonly string[], xid: number, delivery?: 'first' | 'second'): Promise<void>;
  /** Voids the whole cache, at the latest ten seconds after Redis answers. @throws Unavailable  the database failed */
  revokeGeneration(): Promise<void>;
  /** Voids it for every container within a second, once revoked. @throws Unavailable  the database or Redis failed */
  renewGeneration(): Promise<void>;
  /** The generation that a read is in. @throws Unavailable  the database or Redis failed */
  generation(): Promise<Generation>;
}

const anything: ReadOptions = {};
const resultMs = 2_000;
/** Of a time in a result: microseconds. */
const timeLength = 16;
const pollMs = { least: 8, most: 30 };

/** How things were when a load was about to begin. */
interface Begun {
  generation: Generation;
  keys: Keys;
  /** The token of who holds the lease. */
  holder: string;
  /** The tags of the entity and of its dependencies, in their order. */
  tags: readonly string[];
  /** What the load has to have seen. */
  fences: readonly Fence[];
  entry: Entry | undefined;
  /** When, by Redis' clock: 16 digits of microseconds. */
  at: string;
  /** What an earlier load found and could not store: when it began, the tags it began under, its entry. */
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
  /** Looks of this tick: reads of the same view share one. */
  const looks = new Map<string, Promise<Entry | undefined>>();

  function read(view: CachedView, load: Load, readOptions: ReadOptions = anything): Promise<Served> {
    if (readOptions.mustBeFenced && !view.isFenced) return loadAside(view, load, 'writer');
    const fresh = generations.fresh(Date.now());
    return (fresh ? look(fresh.generation, view) : lookAndCheck(view)).then(
      (entry) => {
        if (entry && Date.now() < entry.endsAt && generations.isConfirmed()) return { outcome: 'hit', entry };
        return readOn(view, load, readOptions, entry);
      },
      () => loadPastRedis(view, load, readOptions),
    );
  }

  // 1. look ———————————————————————————————————————————————————————————————————————————————————————————————————————————

  /** One look for all reads of a view in this tick. Later ones need their own: they may know of a later fence. */
  function look(generation: Generation, view: CachedView): Promise<Entry | undefined> {
    const hash = hashOf(generation.current, view.entity);
    const key = `${hash}${view.field}`;
    let looking = looks.get(key);
    if (!looking) {
      // runs before the commands of this tick are written
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

  /** Once a second the generation is looked at in the same write. What was found in an older one is looked up again. */
  async function lookAndCheck(view: CachedView): Promise<Entry | undefined> {
    const last = generations.last()?.generation;
    const looking = last && look(last, view);
    looking?.catch(() => {});
    const { generation } = await generations.check();
    return generation.current === last?.current ? looking : look(generation, view);
  }

  // 2. stale, or loaded ————————————————————————————————————————————————————————————————————————————————————————————————

  async function readOn(
    view: CachedView,
    load: Load,
    { maxStaleSeconds = 0, mustBeFenced = false }: ReadOptions,
    entry: Entry | undefined,
  ): Promise<Served> {
    if (mustBeFenced) return loadTogether(view, load, { mustBeFenced });
    const standsIn = (seconds: number) => entry !== undefined && Date.now() < entry.endsAt + seconds * 1_000;
    if (standsIn(maxStaleSeconds)) return { outcome: 'stale', entry: entry! };
    return loadTogether(view, load, {}).catch((error: unknown) => {
      if (standsIn(view.graceSeconds ?? 0) && mayAnswerLater(error)) return { outcome: 'stale', entry: entry! };
      throw error;
    });
  }

  /** One load for all containers: who holds the lease loads, the others wait for what it finds. */
  async function loadTogether(view: CachedView, load: Load, readOptions: ReadOptions): Promise<Served> {
    const token = newTag();
    const deadline = Date.now() + loadDeadlineMs;
    let arrived: { tags: string; at: string } | undefined;
    for (;;) {
      const begun = await begin(view, token).catch((): undefined => undefined);
      if (!begun) return loadPastRedis(view, load, readOptions);
      const { at, entry, holder, keys, result, tags } = begun;
      const now = Date.now();
      const isConfirmed = generations.isConfirmed();
      if (entry && now < entry.endsAt && (isConfirmed || !readOptions.mustBeFenced)) {
        if (holder === token) await release(keys, token);
        return { outcome: isConfirmed ? 'hit' : 'stale', entry };
      }
      if (holder === token) return loadAndFill(view, load, begun, token);
      arrived ??= { tags: tags.join(''), at };
      // a load that began after this reader came, or under the tags it found, shows every fence it knows of
      if (result && (result.tags === arrived.tags || result.at > arrived.at))
        return { outcome: 'miss', entry: result.entry };
      if (now >= deadline) return answer(view, await limit(() => loadProven(load, begun)), now, 'miss');
      await new Promise((resolve) => setTimeout(resolve, pollMs.least + Math.random() * (pollMs.most - pollMs.least)));
    }
  }

  async function begin({ entity, field, dependsOn }: CachedView, token: string): Promise<Begun> {
    const { generation } = generations.fresh(Date.now()) ?? (await generations.check());
    const hash = hashOf(generation.current, entity);
    const keys = { hash, lease: `${hash}~lease:${field}`, result: `${hash}~result:${field}` };
    const [[holder, tag, fence, bytes, left, now], ...touched] = await connection.attempt((redis) =>
      Promise.all([
        redis.beginLoadBuffer(hash, keys.lease, keys.result, field, token, loadDeadlineMs, newTag(), marginMs),
        ...dependsOn.map((one) => redis.touchEntityBuffer(hashOf(generation.current, one), newTag(), marginMs)),
      ]),
    );
    const depended = touched.map(([one]) => one.toString('latin1'));
    return {
      generation,
      keys,
      holder: holder.toString('latin1'),
      tags: [tag.toString('latin1'), ...depended],
      fences: [fence, ...touched.map(([, one]) => one)].map(parseFence).concat(fenceOf(generation)),
      entry: ifTagged(decodeEntry(bytes), depended),
      at: now.toString('latin1'),
      result: parseResult(left, 1 + depended.length),
    };
  }

  // 3. load ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  /** What a load finds that has seen every fence: from a replica if it can prove that, otherwise from the writer. */
  async function loadProven(load: Load, { fences }: Begun): Promise<Loaded> {
    // in a generation that may be over, fences may be missing: the writer shows every change without them
    const mayAskReplica = replicaProofs !== 'none' && generations.isConfirmed();
    return (mayAskReplica && (await loadFromReplica(load, fences))) || loadFromWriter(load, fences);
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

  /** @throws Unavailable  neither this connection nor a new one leads to the writer, or it has another history */
  async function loadFromWriter(load: Load, fences: readonly Fence[]): Promise<Loaded> {
    const found = await load({ host: 'writer' });
    if (isProven(found, fences)) return found;
    const again = await load({ host: 'writer', insteadOf: found.evidence! });
    if (isProven(again, fences)) return again;
    if (again.evidence?.inRecovery) throw new Unavailable('The database has no writer at the moment.');
    await generations.revoke();
    await generations.renew();
    throw new Unavailable('The database has another history than the cache, which was cleared.');
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
      const [, ...depended] = begun.tags;
      const entry = await toEntry(loaded, depended, startedAt, lifeMs(view, loaded));
      await fill(view, begun, token, entry);
      return { outcome: 'miss', entry };
    } catch (error) {
      await release(begun.keys, token);
      throw error;
    }
  }

  // 4. fill ————————————————————————————————————————————————————————————————————————————————————————————————————————————

  async function fill(view: CachedView, begun: Begun, token: string, entry: Entry): Promise<void> {
    const { generation, keys, tags } = begun;
    const [tag, ...depended] = tags;
    const keptMs = Math.ceil(entry.endsAt - entry.loadedAt + (view.graceSeconds ?? 0) * 1_000 + marginMs);
    await connection
      .attempt((redis) =>
        Promise.all([
          // the entry is valid no longer than the tags it names exist
          ...view.dependsOn.map((one) => redis.pexpire(hashOf(generation.current, one), keptMs, 'GT')),
          redis.fillView(
            keys.hash,
            keys.lease,
            keys.result,
            view.field,
            token,
            tag!,
            depended.join(''),
            entry.bytes,
            keptMs,
            Date.now(),
            begun.at,
            resultMs,
          ),
        ]),
      )
      .catch(() => release(keys, token));
  }

  async function release({ lease }: Keys, token: string): Promise<void> {
    await connection.attempt((redis) => redis.releaseLease(lease, token)).catch(() => {});
  }

  // beside the cache ———————————————————————————————————————————————————————————————————————————————————————————————————

  /** Redis does not answer. The writer shows every change; while that lasts it is spared, and the answer says so. */
  async function loadPastRedis(view: CachedView, load: Load, { mustBeFenced }: ReadOptions): Promise<Served> {
    const isSpared = connection.isOpen() && !mustBeFenced && replicaProofs !== 'none';
    return loadAside(view, load, isSpared ? 'replica' : 'writer');
  }

  async function loadAside(view: CachedView, load: Load, host: Source['host']): Promise<Served> {
    const startedAt = Date.now();
    const loaded = await limit(() => (host === 'writer' ? loadFromWriter(load, []) : load({ host })));
    return answer(view, loaded, startedAt, host === 'writer' ? 'miss' : 'bypass');
  }

  /** An answer that is not stored, and so names no tags. */
  async function answer(
    view: CachedView,
    loaded: Loaded,
    startedAt: number,
    outcome: 'miss' | 'bypass',
  ): Promise<Served> {
    return { outcome, entry: await toEntry(loaded, [], startedAt, lifeMs(view, loaded)) };
  }

  // a change ———————————————————————————————————————————————————————————————————————————————————————————————————————————

  async function raise(
    entities: readonly string[],
    xid: number,
    delivery: 'first' | 'second' = 'first',
  ): Promise<void> {
    const { current, previous } = await generations.forRaise();
    const hashes = [current, ...previous].flatMap((name) => entities.map((entity) => hashOf(name, entity)));
    // in parts, so that no command waits long behind the others
    for (let at = 0; at < hashes.length; at += 100) {
      const part = hashes.slice(at, at + 100);
      await connection.attempt((redis) =>
        Promise.all(
          part.map((hash) => redis.raiseFence(hash, xid, newTag(), marginMs, delivery === 'second' ? '1' : '0')),
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

/** A tag, or a lease's token. */
function newTag(): string {
  return randomBytes(6).toString('base64url');
}

/** The entry, if its dependencies have the tags that its load began under. */
function ifTagged(entry: Entry | undefined, tags: readonly (string | null)[]): Entry | undefined {
  const own = entry?.tags;
  return own?.length === tags.length && own.every((tag, i) => tag === tags[i]) ? entry : undefined;
}

/** A generation is one more fence: of everything that was raised in the ones before it alone. */
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
