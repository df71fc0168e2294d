import { getRedis } from '../../shared/resources.ts';

/** The collections by how often they were read lately. */
export const popularKey = 'tributary:popular:collections';
export const keptForSeconds = 14 * 86_400;

/** One read in so many is counted, as that many: the hot path pays for few. */
const sampled = 16;

/** Counts a read of a collection towards its popularity. A cache that is away costs the count, not the read. */
export async function countRead(address: string): Promise<void> {
  if (Math.random() * sampled >= 1) return;
  const { attempt } = await getRedis();
  await attempt((redis) =>
    redis.pipeline().zincrby(popularKey, sampled, address).expire(popularKey, keptForSeconds).exec(),
  ).catch(() => {});
}
