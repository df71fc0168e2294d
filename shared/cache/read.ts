import pLimit from 'p-limit';
import { notFoundTtlSeconds } from '../kernel/declaration.ts';
import { decodeEntry, type Entry, encodeEntry, serve, toEntry } from './entry.ts';
import { passes } from './fence.ts';
import { createFences, type Explanation } from './fences.ts';
import { createGenerations, type GenerationSource } from './generation.ts';
import { createLookups, fencesOf, isValid, type Lookup, leaseOf, newToken, passesAll, resultOf } from './lookup.ts';
import type { RedisConnection } from './redis.ts';
import type { CachedView, Loaded, Served, Source } from './view.ts';

export interface CacheOptions {
  redis: RedisConnection;
  generation: GenerationSource;
  /** Loads that this container runs at once; the others wait. */
  maxLoads: number;
  /** A load that took longer is answered, not stored. */
  loadDeadlineMs?: number;
  /** How long a fence outlives the last change: the most a replica lags, a load takes and a queue delays. */
  fenceMarginMs?: number;
  /** What all its keys begin with. */
  namespace?: string;
}

export interface ReadOptions {
  /** An unfenced entry that ended at most this long ago will do. */
  maxStaleSeconds?: number;
}

export type Load = (source: Source) => Promise<Loaded>;

export interface Cache {
  read(view: CachedView, load: Load, options?: ReadOptions): Promise<Served>;
  /** Raises the fence of each entity for the change of the transaction `xid`. @throws Unavailable  Redis failed */
  raise(entities: readonly string[], xid: number): Promise<void>;
  /** Takes up a new generation from Postgres, which makes everything cached void. @throws Unavailable  Redis failed */
  renewGeneration(): Promise<void>;
  /** What is cached for an entity and how its fence judges it. @throws Unavailable  Redis failed */
  explain(entity: string): Promise<Explanation>;
}

const fieldLimit = 512;
const inlineRefreshMs = 300;
const resultMs = 2_000;
const pollMs = { least: 8, most: 30 };

/**
 * The fenced cache.
 *
 * A read is one HMGET of its entity's hash: fence and entry together. An entry is served exactly if the snapshot it was
 * read under sees every change that its fences stand for. Otherwise one container loads: from a replica, or, where the
 * replica's snapshot does not see the fences yet, from the writer; and it stores what it found only if no fence came in
 * between. So a reader that lags behind cannot put back what a change has hidden.
 */
export function createCache(options: CacheOptions): Cache {
  const {
    redis: connection,
    maxLoads,
    loadDeadlineMs = 5_000,
    fenceMarginMs = 600_000,
    namespace = 'tributary',
  } = options;
  const generations = createGenerations(connection, options.generation, namespace);
  const limit = pLimit(maxLoads);

  const keys = { namespace, fenceMarginMs, loadDeadlineMs };
  const { lookUp, begin } = createLookups(connection, generations, keys);
  const { raise, explain } = createFences(connection, generations, keys);

  async function read(view: CachedView, load: Load, { maxStaleSeconds = 0 }: ReadOptions = {}): Promise<Served> {
    const found = await lookUp(view);
    if (!found) return bypass(view, load);
    const now = Date.now();
    const entry = isValid(found, view) ? found.entry : undefined;
    if (entry && now < entry.endsAt) {
      if (view.softTtlSeconds === undefined || now < entry.loadedAt + view.softTtlSeconds * 1_000)
        return serve(entry, 'hit', now);
      return (await refreshInline(view, load)) ?? serve(entry, 'hit', now);
    }
    if (entry && now < entry.endsAt + maxStaleSeconds * 1_000) return serve(entry, 'stale', now);
    return loadShared(view, load).catch((error: unknown) => {
      const mayStandIn = entry && Date.now() < entry.endsAt + (view.graceSeconds ?? 0) * 1_000;
      if (mayStandIn && isUnavailable(error)) return serve(entry, 'stale', Date.now());
      throw error;
    });
  }

  /** One load for all containers: who holds the lease loads, the others take what it found. */
  async function loadShared(view: CachedView, load: Load): Promise<Served> {
    const token = newToken();
    const arrivedAt = Date.now();
    // the loads that had begun, or ended, when this reader came: what they found may be older than what it knows
    let before: Set<string> | undefined;
    let found: Lookup | undefined;
    while (Date.now() < arrivedAt + loadDeadlineMs) {
      const begun = await begin(view, token).catch((): undefined => undefined);
      if (!begun) return bypass(view, load);
      const now = Date.now();
      found = begun.found;
      const { entry } = found;
      // whoever held the lease before may have stored it since this reader looked
      if (entry && isValid(begun.found, view) && now < entry.endsAt) {
        if (begun.holder === token) await release(leaseOf(begun.found.hash, view), token);
        return serve(entry, 'hit', now);
      }
      if (begun.holder === token) return loadAndFill(view, load, begun.found, token);
      before ??= new Set([begun.holder, begun.lastResult].filter((one) => one !== null));
      const taken = await takeOver(view, begun.found, before);
      if (taken) return taken;
    }
    return found ? bypass(view, () => loadUnderFences(load, found!), 'miss') : bypass(view, load, 'miss');
  }

  /** What the holder of the lease has found: stored, or left because it could not be stored. */
  async function takeOver(
    view: CachedView,
    atArrival: Lookup,
    before: ReadonlySet<string>,
  ): Promise<Served | undefined> {
    await new Promise((resolve) => setTimeout(resolve, pollMs.least + Math.random() * (pollMs.most - pollMs.least)));
    const now = Date.now();
    const found = await lookUp(view);
    if (found?.entry && isValid(found, view) && now < found.entry.endsAt) return serve(found.entry, 'hit', now);
    const result = await connection
      .attempt((redis) => redis.getBuffer(resultOf(atArrival.hash, view)))
      .catch(() => null);
    const entry = decodeEntry(result?.subarray(8));
    if (!entry) return undefined;
    // a token that was not there at arrival: that load began after; else it has to have seen what was known at arrival
    const beganAfter = !before.has(result!.toString('latin1', 0, 8));
    return beganAfter || passesAll(entry, atArrival) ? serve(entry, 'miss', now) : undefined;
  }

  async function loadAndFill(view: CachedView, load: Load, found: Lookup, token: string): Promise<Served> {
    const lease = leaseOf(found.hash, view);
    const startedAt = Date.now();
    try {
      const loaded = await limit(() => loadUnderFences(load, found));
      const entry = await toEntry(
        loaded,
        found.dependencies.map(({ fence }) => fence!.nonce),
        startedAt,
        lifeMs(view, loaded),
      );
      const inTime = Date.now() - startedAt < loadDeadlineMs;
      // a dependency's fence that the load has not seen cannot be checked in the script: its hash lies elsewhere
      if (inTime && passesAll(entry, found)) await store(view, found, token, entry);
      else await release(lease, token);
      return serve(entry, 'miss', Date.now());
    } catch (error) {
      await release(lease, token);
      throw error;
    }
  }

  async function store(view: CachedView, { hash, fence }: Lookup, token: string, entry: Entry): Promise<void> {
    const ttlMs = Math.ceil(entry.endsAt - entry.loadedAt + (view.graceSeconds ?? 0) * 1_000 + fenceMarginMs);
    const keys = [hash, leaseOf(hash, view), resultOf(hash, view)] as const;
    await connection
      .attempt((redis) =>
        redis.fillView(...keys, token, view.view, fence!.nonce, encodeEntry(entry), ttlMs, fieldLimit, resultMs),
      )
      .catch(() => {});
  }

  async function release(lease: string, token: string): Promise<void> {
    await connection.attempt((redis) => redis.releaseLease(lease, token)).catch(() => {});
  }

  /** Loads from a replica, and from the writer if the replica has not seen what the fences stand for. */
  async function loadUnderFences(load: Load, found: Lookup): Promise<Loaded> {
    const loaded = await load('replica');
    if (loaded.snapshot === undefined || fencesOf(found).every((fence) => passes(loaded.snapshot!, fence)))
      return loaded;
    return load('writer');
  }

  /** Past its soft TTL: a load that is done within 300 ms is served, else what stands. */
  async function refreshInline(view: CachedView, load: Load): Promise<Served | undefined> {
    const token = newToken();
    const begun = await begin(view, token).catch((): undefined => undefined);
    if (begun?.holder !== token) return undefined;
    const loading = loadAndFill(view, load, begun.found, token).catch((): undefined => undefined);
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), inlineRefreshMs);
    return Promise.race([loading, late]).finally(() => clearTimeout(timer));
  }

  /** A load past the cache, at most so many at once in this container. */
  async function bypass(view: CachedView, load: Load, outcome: 'bypass' | 'miss' = 'bypass'): Promise<Served> {
    const startedAt = Date.now();
    const loaded = await limit(() => load('replica'));
    return serve(await toEntry(loaded, [], startedAt, lifeMs(view, loaded)), outcome, Date.now());
  }

  return { read, raise, renewGeneration: generations.renew, explain };
}

function lifeMs(view: CachedView, { status }: Loaded): number {
  const ttlMs = view.ttlSeconds * 1_000;
  const life = status === 404 ? Math.min(notFoundTtlSeconds * 1_000, ttlMs) : ttlMs;
  return Math.ceil(life * (1 - Math.random() * 0.1));
}

function isUnavailable(error: unknown): boolean {
  return ['unavailable', 'deadline'].includes((error as { code?: string }).code ?? '');
}
