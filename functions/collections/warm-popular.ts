import { handleJob } from '../../shared/jobs/run-job.ts';
import { getRedis } from '../../shared/resources.ts';
import { jobs } from './jobs.ts';
import { popularityTtlSeconds, popularKey } from './popularity.ts';
import { warmCollection } from './warm-collection.ts';

const maxCollections = 50;

/** Loads the views of the 50 most read collections off-peak. Each day halves the weight of earlier reads. */
export const warmPopular = handleJob(jobs.warmPopular, async ({ step }) => {
  const { attempt } = await getRedis();
  const popular = await attempt((redis) => redis.zrange(popularKey, 0, maxCollections - 1, 'REV'));
  await step('warming', popular.length);
  for (const address of popular) await warmCollection(address);
  await attempt((redis) => redis.zunionstore(popularKey, 1, popularKey, 'WEIGHTS', 0.5));
  await attempt((redis) => redis.expire(popularKey, popularityTtlSeconds));
  return 'done';
});
