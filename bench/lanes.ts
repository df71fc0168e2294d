/** How long prompt jobs take while bulk jobs fill their lane, on the whole system as `npm start` runs it. */
import { rm } from 'node:fs/promises';
import { followJob } from '../local/follow-job.ts';
import { startJob } from '../local/operator.ts';
import { startSnowflake } from '../local/upstreams/snowflake.ts';
import { synthesize } from './synthesize.ts';
import { median } from './world.ts';

const size = { moments: 1_000_000, wallets: 100_000, editions: 2_000, scrapes: 1 };
/** As many jobs as the lane runs at once. */
const bulk = ['syncHoldings', 'syncMoments', 'syncPrices', 'syncProfiles', 'rebuildSnapshots'];
const prompt = ['wallets.refreshSnapshots', 'collections.warmPopular'];

/** `npm run bench -- lanes` */
export async function benchLanes(): Promise<void> {
  const { startRuntime } = await import('../local/runtime.ts');
  const { directory, template } = await synthesize();
  const standIns = { snowflake: { start: () => startSnowflake(size) } };
  const runtime = await startRuntime({ template, directory, port: 0, log: () => {}, standIns });
  try {
    const api = { url: runtime.url, adminToken: runtime.adminToken };
    const startedAt = performance.now();
    const running = new Set<string>(bulk);
    const loads = bulk.map(async (name) => {
      const job = await followJob(api.url, await startJob(api, `wallets.${name}`), () => {});
      running.delete(name);
      console.log(`  ${name} ${job.status} after ${seconds(startedAt)} s, ${job.progress.applied} rows applied`);
    });
    const durations = new Map<string, number[]>(prompt.map((name) => [name, []]));
    while (running.has('syncHoldings')) {
      await Promise.all(
        prompt.map(async (name) => {
          const requestedAt = performance.now();
          const { status } = await followJob(api.url, await startJob(api, name), () => {});
          if (status === 'succeeded') durations.get(name)!.push((performance.now() - requestedAt) / 1_000);
          else console.log(`  ${name} ${status}`);
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    await Promise.all(loads);
    console.log(
      `Prompt jobs during a sync of ${size.moments} holdings and four other bulk jobs, in seconds from the request:`,
    );
    for (const [name, all] of durations) {
      all.sort((a, b) => a - b);
      console.log(
        `  ${name.padEnd(28)} ${all.length} runs, median ${median(all).toFixed(2)}, longest ${all.at(-1)!.toFixed(2)}`,
      );
    }
  } finally {
    await runtime.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

const seconds = (since: number) => ((performance.now() - since) / 1_000).toFixed(0);
