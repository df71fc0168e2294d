import { getRedis } from '../../shared/resources.ts';

/** A sorted set: collections by how often they were read recently. */
export const popularKey = 'tributary:popular:collections';
export const popularityTtlSeconds = 14 * 86_400;

/** One read in 16 is counted, as 16, to keep the hot path cheap. */
const sampleInterval = 16;

/** Counts a read of a collection toward its popularity. If Redis is down, the count is lost and the read succeeds. */
export async function countRead(address: string): Promise<void> {
  if (Math.random() * sampleInterval >= 1) return;
  const { attempt } = await getRedis();
  await attempt((redis) =>
    redis.pipeline().zincrby(popularKey, sampleInterval, address).expire(popularKey, popularityTtlSeconds).exec(),
  ).catch(() => {});
}
