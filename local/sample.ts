import { MultiBar, Presets } from 'cli-progress';
import { followJob } from './follow-job.ts';
import type { SnowflakeStandIn } from './upstreams/snowflake.ts';

interface SampleCollection {
  address: string;
  name: string;
  totalSupply: number;
}

/** Where what runs can be asked, and by which token the operator is let in. */
interface Running {
  url: string;
  adminToken: string;
}

/** The wallets' syncs, in the order they stand on each other. */
const syncs = ['syncMoments', 'syncPrices', 'syncProfiles', 'syncHoldings'] as const;
const momentsATrickle = 5;

/** Loads the sample as users would have it loaded: a refresh of each collection, a sync of each of the warehouse's tables. */
export async function loadSample(running: Running, collections: readonly SampleCollection[]): Promise<void> {
  const bars = new MultiBar(
    {
      format: '  {bar} {percentage}% {name} {step}',
      hideCursor: true,
      clearOnComplete: false,
      noTTYOutput: false,
      barsize: 24,
    },
    Presets.shades_classic,
  );
  const follow = async (name: string, total: number, jobId: string) => {
    const bar = bars.create(total, 0, { name, step: '' });
    const job = await followJob(running.url, jobId, ({ progress }) => {
      const done = progress.percent === null ? progress.read : (progress.percent / 100) * total;
      bar.update(Math.min(done, total), { name, step: progress.step ?? '' });
    });
    bar.update(total, { name, step: job.status });
    if (job.status !== 'succeeded') throw new Error(`${name} was not loaded: ${job.error?.message ?? job.status}`);
  };
  try {
    await Promise.all([
      ...collections.map(async ({ address, name, totalSupply }) =>
        follow(name, totalSupply * 3, await post(running, `/v1/collections/${address}/refresh`)),
      ),
      (async () => {
        for (const sync of syncs) await follow(`wallets.${sync}`, 100, await startJob(running, `wallets.${sync}`));
      })(),
    ]);
  } finally {
    bars.stop();
  }
}

/** Moves moments between wallets now and then, and has them synced, as the schedule would; gives what ends it. */
export function startTrades(running: Running, { world }: SnowflakeStandIn, everyMs: number): () => void {
  let trades = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < momentsATrickle; i++, trades++)
      world.trade((trades * 7_919) % 60_000, (trades * 104_729) % world.wallets.length);
    world.scrape(trades % 480);
    for (const sync of ['wallets.syncPrices', 'wallets.syncHoldings']) startJob(running, sync).catch(() => {});
  }, everyMs);
  return () => clearInterval(timer);
}

const startJob = (running: Running, job: string) => post(running, '/v1/admin/jobs', { job });

async function post({ url, adminToken }: Running, path: string, body?: object): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const answer = (await response.json()) as { jobId?: string; detail?: string };
  if (!answer.jobId) throw new Error(`The sample was refused: ${answer.detail ?? response.status}`);
  return answer.jobId;
}
