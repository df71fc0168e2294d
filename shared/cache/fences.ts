import { decodeEntry } from './entry.ts';
import { type Fence, fenceField, parseFence, passes } from './fence.ts';
import type { Generations } from './generation.ts';
import { hashOf, type Keys, newToken } from './lookup.ts';
import type { RedisConnection } from './redis.ts';

/** What is cached for an entity, and how its fence judges it. */
export interface Explanation {
  entity: string;
  generation: string;
  fence: Fence | null;
  views: { view: string; snapshot: string | null; passes: boolean; endsAt: string; bytes: number }[];
}

const raisedAtOnce = 100;

/** Raising fences, and explaining what they do. */
export function createFences(
  connection: RedisConnection,
  generations: Generations,
  { namespace, fenceMarginMs }: Keys,
) {
  async function raise(entities: readonly string[], xid: number): Promise<void> {
    const { current, previous } = await generations.forRaise();
    const hashes = entities.flatMap((entity) => [
      hashOf(namespace, current, entity),
      hashOf(namespace, previous, entity),
    ]);
    // in parts, so that one command of many does not wait past its time-out for the others
    for (let at = 0; at < hashes.length; at += raisedAtOnce) {
      const part = hashes.slice(at, at + raisedAtOnce);
      await connection.attempt((redis) =>
        Promise.all(part.map((hash) => redis.raiseFence(hash, xid, newToken(), fenceMarginMs))),
      );
    }
  }

  async function explain(entity: string): Promise<Explanation> {
    const { current } = await generations.forRaise();
    const fields = await connection.attempt((redis) => redis.hgetallBuffer(hashOf(namespace, current, entity)));
    const fence = parseFence(fields[fenceField]);
    const views = Object.entries(fields).flatMap(([view, bytes]) => {
      const entry = view === fenceField ? undefined : decodeEntry(bytes);
      if (!entry) return [];
      const { snapshot, endsAt } = entry;
      return {
        view,
        snapshot: snapshot ? `${snapshot.xmin}:${snapshot.xmax}:${snapshot.xip.join(',')}` : null,
        passes: fence !== undefined && (!snapshot || passes(snapshot, fence)),
        endsAt: new Date(endsAt).toISOString(),
        bytes: bytes.length,
      };
    });
    return { entity, generation: current, fence: fence ?? null, views };
  }

  return { raise, explain };
}
