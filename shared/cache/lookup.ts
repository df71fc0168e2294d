import { randomBytes } from 'node:crypto';
import { decodeEntry, type Entry } from './entry.ts';
import { type Fence, fenceField, parseFence, passes } from './fence.ts';
import type { Generations } from './generation.ts';
import type { RedisConnection } from './redis.ts';
import type { CachedView } from './view.ts';

/** What stood in Redis when a read began. */
export interface Lookup {
  hash: string;
  fence: Fence | undefined;
  entry: Entry | undefined;
  /** The dependencies' hashes and fences, in their order. */
  dependencies: { hash: string; fence: Fence | undefined }[];
}

/** How things stood when a load was about to begin. */
export interface Begun {
  holder: string | null;
  lastResult: string | null;
  found: Lookup;
}

/** How the cache's keys are made, and how long they live. */
export interface Keys {
  namespace: string;
  /** Life of a fence past the last change, of a lease, both in ms. */
  fenceMarginMs: number;
  loadDeadlineMs: number;
}

/** A token of eight characters: a lease's, or a fence's nonce. */
export const newToken = () => randomBytes(6).toString('base64url');

/** The key of an entity's hash: the braces keep it, its leases and its results in one slot. */
export function hashOf(namespace: string, generation: string, entity: string): string {
  return `${namespace}:${generation}:{${entity}}`;
}

/** The key of a view’s lease. */
export const leaseOf = (hash: string, { view }: CachedView) => `${hash}~lease:${view}`;
/** The key of what a load found and could not store. */
export const resultOf = (hash: string, { view }: CachedView) => `${hash}~result:${view}`;

/** The two looks a read takes: at what stands, and, on a miss, at what stands once more while trying for the lease. */
export function createLookups(connection: RedisConnection, generations: Generations, keys: Keys) {
  const { namespace, fenceMarginMs, loadDeadlineMs } = keys;

  /** What stands; undefined where Redis does not answer. The hot path: no more promises than it needs. */
  function lookUp(view: CachedView): Promise<Lookup | undefined> {
    const known = generations.forRead();
    if (!(known instanceof Promise)) return lookIn(known.current, view);
    return known.then(({ current }) => lookIn(current, view)).catch((): undefined => undefined);
  }

  function lookIn(generation: string, view: CachedView): Promise<Lookup | undefined> {
    const hash = hashOf(namespace, generation, view.entity);
    if (view.dependsOn.length > 0)
      return lookUpWithDependencies(view, hash, generation).catch((): undefined => undefined);
    return connection
      .attempt((redis) => redis.hmgetBuffer(hash, fenceField, view.view))
      .then(
        ([fence, entry]) => ({ hash, fence: parseFence(fence), entry: decodeEntry(entry), dependencies: [] }),
        (): undefined => undefined,
      );
  }

  async function lookUpWithDependencies(view: CachedView, hash: string, generation: string): Promise<Lookup> {
    const hashes = view.dependsOn.map((entity) => hashOf(namespace, generation, entity));
    const [fields, ...fences] = await connection.attempt((redis) =>
      Promise.all([
        redis.hmgetBuffer(hash, fenceField, view.view),
        ...hashes.map((dependency) => redis.hmgetBuffer(dependency, fenceField)),
      ]),
    );
    const dependencies = hashes.map((dependency, i) => ({ hash: dependency, fence: parseFence(fences[i]?.[0]) }));
    return { hash, fence: parseFence(fields[0]), entry: decodeEntry(fields[1]), dependencies };
  }

  /**
   * Tries for the lease and then, in the same pipeline, looks what stands; makes the fences of the view's entities where
   * there were none, so that a fill has a nonce to be held against. Gives who holds the lease, and whose load left the last
   * result that could not be stored.
   */
  async function begin(view: CachedView, token: string): Promise<Begun> {
    const { current } = await generations.forRead();
    const hash = hashOf(namespace, current, view.entity);
    const hashes = view.dependsOn.map((entity) => hashOf(namespace, current, entity));
    const [holder, lastResult, fence, entry, ...fences] = await connection.attempt((redis) =>
      Promise.all([
        redis.takeLease(leaseOf(hash, view), token, loadDeadlineMs),
        redis.getrangeBuffer(resultOf(hash, view), 0, 7),
        redis.ensureFenceBuffer(hash, newToken(), fenceMarginMs),
        redis.hgetBuffer(hash, view.view),
        ...hashes.map((key) => redis.ensureFenceBuffer(key, newToken(), fenceMarginMs)),
      ]),
    );
    const dependencies = hashes.map((key, i) => ({ hash: key, fence: parseFence(fences[i]) }));
    const found = { hash, fence: parseFence(fence), entry: decodeEntry(entry), dependencies };
    return { holder, lastResult: lastResult.length === 8 ? lastResult.toString('latin1') : null, found };
  }

  return { lookUp, begin };
}

/** Whether an entry may be served: it was stored under the fences that stand, and has seen all they stand for. */
export function isValid(found: Lookup, view: CachedView): boolean {
  const { entry, fence, dependencies } = found;
  if (!entry || !fence || entry.nonces.length !== dependencies.length) return false;
  if (view.kind !== 'fenced') return true;
  return dependencies.every((one, i) => one.fence?.nonce === entry.nonces[i]) && passesAll(entry, found);
}

/** Whether what an entry was read under has seen all that the found fences stand for. */
export function passesAll({ snapshot }: Entry, { fence, dependencies }: Lookup): boolean {
  if (snapshot === undefined) return true;
  if (fence && !passes(snapshot, fence)) return false;
  return dependencies.every((one) => !one.fence || passes(snapshot, one.fence));
}

/** The fences found, of the entity and of what the view depends on. */
export function fencesOf({ fence, dependencies }: Lookup): Fence[] {
  return [fence, ...dependencies.map((one) => one.fence)].filter((one) => one !== undefined);
}
