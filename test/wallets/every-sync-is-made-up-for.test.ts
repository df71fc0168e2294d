import { expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { jobNameOf, schedulesOf } from '../../shared/kernel/job.ts';

const all = domains.flatMap(({ jobs }) => Object.values(jobs));
/** The jobs that by default sync only what changed. */
const incremental = all.filter((job) => (job.params.safeParse({}).data as { mode?: string })?.mode === 'incremental');

test('every incremental sync has a scheduled full one, at least once a week', () => {
  expect(incremental.map(jobNameOf)).toEqual([
    'wallets.syncHoldings',
    'wallets.syncMoments',
    'wallets.syncPrices',
    'wallets.syncProfiles',
  ]);
  for (const job of incremental) {
    const schedules = schedulesOf(job);
    expect([jobNameOf(job), schedules.map(({ params }) => params)]).toEqual([
      jobNameOf(job),
      [undefined, { mode: 'full' }],
    ]);
    expect([jobNameOf(job), schedules[1]!.expression]).toEqual([
      jobNameOf(job),
      expect.stringMatching(/^cron\(\d+ \d+ (\* \* \?|\? \* [A-Z]{3}) \*\)$/),
    ]);
  }
});

test('no two jobs start at the same minute of the night', () => {
  const times = all.flatMap(schedulesOf).flatMap(({ expression }) => /^cron\(\d+ \d+/.exec(expression)?.[0] ?? []);
  const wallets = incremental
    .flatMap(schedulesOf)
    .flatMap(({ expression }) => /^cron\(\d+ \d+/.exec(expression)?.[0] ?? []);
  expect(wallets.filter((time) => times.indexOf(time) !== times.lastIndexOf(time))).toEqual([]);
});
