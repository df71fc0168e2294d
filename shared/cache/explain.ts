import { decodeEntry } from './entry.ts';
import type { Generation } from './generation.ts';
import { type Fence, parseFence } from './proof.ts';
import { hashOf } from './read.ts';
import type { RedisConnection } from './redis.ts';
import { fenceField, tagField } from './scripts.ts';

/** What Redis stores for an entity. */
export interface EntityState {
  entity: string;
  /** Null if there is no hash yet; the next load creates it. */
  tag: string | null;
  fence: Fence;
  views: { field: string; loadedAt: string; endsAt: string; bytes: number; tags: readonly string[] }[];
}

/** What Redis stores for an entity in a generation. @throws Unavailable  Redis failed */
export async function explainEntity(
  connection: RedisConnection,
  { current }: Generation,
  entity: string,
): Promise<EntityState> {
  const fields = await connection.attempt((redis) => redis.hgetallBuffer(hashOf(current, entity)));
  const views = Object.entries(fields).flatMap(([field, bytes]) => {
    const entry = field.startsWith('~') ? undefined : decodeEntry(bytes);
    if (!entry) return [];
    const [loadedAt, endsAt] = [entry.loadedAt, entry.endsAt].map((at) => new Date(at).toISOString()) as [
      string,
      string,
    ];
    return { field, loadedAt, endsAt, bytes: bytes.length, tags: entry.tags };
  });
  return { entity, tag: fields[tagField]?.toString('latin1') ?? null, fence: parseFence(fields[fenceField]), views };
}
