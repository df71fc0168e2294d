/** How long prompt jobs wait and take while bulk jobs run, on the whole system as `npm start` runs it. */
import { rm } from 'node:fs/promises';
import { followJob, type Job } from '../local/follow-job.ts';
import { type Operated, startJob } from '../local/operator.ts';
import { startSnowflake } from '../local/upstreams/snowflake.ts';
import { synthesize } from './synthesize.ts';
import { median } from './world.ts';

const size = { moments: 1_000_000, wallets: 100_000, editions: 2_000, scrapes: 1 };
const prompt = ['wallets.refreshSnapshots', 'collections.warmPopular'];
/** As many jobs as the bulk lane runs at once. */
const everySync = ['syncHoldings', 'syncMoments', 'syncPrices', 'syncProfiles', 'rebuildSnapshots'];

/** `npm run bench -- lanes` */
export async function benchLanes(): Promise<void> {
  const { startRuntime } = await import('../local/runtime.ts');
  const { directory, template } = await synthesize();
  const standIns = { snowflake: { start: () => startSnowflake(size) } };
  for (const [title, before, during] of [
    ['one first sync of 1,000,000 holdings', ['syncMoments', 'syncPrices', 'syncProfiles'], ['syncHoldings']],
    ['five first syncs at once, of 1,000,000 holdings and as many moments', [], everySync],
  ] as const) {
    const state = `${directory}/${during.length}`;
    const runtime = await startRuntime({ template, directory: state, port: 0, log: () => {}, standIns });
    try {
      for (const name of before) await run(runtime, `wallets.${name}`);
      await run(runtime, 'wallets.refreshSnapshots');
      console.log(`\n${title}; prompt jobs meanwhile, in seconds:`);
      await measure(runtime, during);
    } finally {
      await runtime.stop();
    }
  }
  await rm(directory, { recursive: true, force: true });
}

async function measure(api: Operated, bulk: readonly string[]): Promise<void> {
  const startedAt = performance.now();
  let isDone = false;
  const syncs = Promise.all(bulk.map((name) => run(api, `wallets.${name}`))).finally(() => {
    isDone = true;
  });
  const seen = new Map(prompt.map((name) => [name, { waited: [] as number[], took: [] as number[] }]));
  while (!isDone) {
    await Promise.all(
      prompt.map(async (name) => {
        const requestedAt = performance.now();
        const { createdAt, startedAt: began } = await run(api, name);
        seen.get(name)!.took.push((performance.now() - requestedAt) / 1_000);
        seen.get(name)!.waited.push((Date.parse(began!) - Date.parse(createdAt)) / 1_000);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  await syncs;
  const elapsed = ((performance.now() - startedAt) / 1_000).toFixed(0);
  for (const [name, { waited, took }] of seen)
    console.log(
      `  ${name.padEnd(26)} ${took.length} runs: waited for a worker ${spread(waited)}; done ${spread(took)}`,
    );
  console.log(`  the bulk jobs took ${elapsed} s`);
}

async function run(api: Operated, name: string): Promise<Job> {
  const job = await followJob(api.url, await startJob(api, name), () => {});
  if (job.status !== 'succeeded') throw new Error(`${name} ${job.status}: ${job.error?.message}`);
  return job;
}

function spread(values: number[]): string {
  return `median ${median(values).toFixed(2)}, longest ${Math.max(...values).toFixed(2)}`;
}
