import type { JobContext } from '../../shared/jobs/etl.ts';
import { getRedis } from '../../shared/resources.ts';
import { keptForSeconds, popularKey } from './popularity.ts';
import { warmCollection } from './warm-collection.ts';

const warmed = 50;

/** The job: the views of the 50 most read collections, loaded before the day begins; older reads count half each day. */
export async function warmPopular({ step }: JobContext): Promise<'done'> {
  const { attempt } = await getRedis();
  const popular = await attempt((redis) => redis.zrange(popularKey, 0, warmed - 1, 'REV'));
  await step('warming', popular.length);
  for (const address of popular) await warmCollection(address);
  await attempt((redis) => redis.zunionstore(popularKey, 1, popularKey, 'WEIGHTS', 0.5));
  await attempt((redis) => redis.expire(popularKey, keptForSeconds));
  return 'done';
}
