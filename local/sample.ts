import { MultiBar, Presets } from 'cli-progress';
import { followJob } from './follow-job.ts';

interface SampleCollection {
  address: string;
  name: string;
  totalSupply: number;
}

/** Loads the sample's collections as a client would have them loaded: a refresh of each, followed to its end. */
export async function loadSample(url: string, collections: readonly SampleCollection[]): Promise<void> {
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
  try {
    await Promise.all(
      collections.map(async ({ address, name, totalSupply }) => {
        const bar = bars.create(totalSupply * 3, 0, { name, step: '' });
        const jobId = await refresh(url, address);
        const job = await followJob(url, jobId, ({ progress }) => {
          bar.update(Math.min(progress.read, totalSupply * 3), { name, step: progress.step ?? '' });
        });
        bar.update(totalSupply * 3, { name, step: job.status });
        if (job.status !== 'succeeded') throw new Error(`${name} was not loaded: ${job.error?.message ?? job.status}`);
      }),
    );
  } finally {
    bars.stop();
  }
}

async function refresh(url: string, address: string): Promise<string> {
  const response = await fetch(`${url}/v1/collections/${address}/refresh`, { method: 'POST' });
  const answer = (await response.json()) as { jobId?: string; detail?: string };
  if (!answer.jobId) throw new Error(`The sample was refused: ${answer.detail ?? response.status}`);
  return answer.jobId;
}
