/** The sample data of `npm start`: one file per domain in `samples/`. */
import { readdir } from 'node:fs/promises';
import { MultiBar, Presets } from 'cli-progress';
import { followJob } from './follow-job.ts';
import type { Functions } from './functions.ts';
import type { Operated } from './operator.ts';
import type { ImportsBucket } from './upload.ts';
import type { Upstreams } from './upstreams/start.ts';

/** The running system, as samples use it. */
export interface Running extends Operated, ImportsBucket {
  upstreams: Upstreams;
  functions: Functions;
}

/** Follows a job to its end in a progress bar. `total` is the number of rows it is expected to read. */
export type Follow = (name: string, total: number, jobId: string) => Promise<void>;

/** What a file of `samples/` exports as `sample`. */
export interface Sample {
  /** Loads the domain's data the way its users would. */
  load(running: Running, follow: Follow): Promise<void>;
  /** Keeps changing the data upstream. Returns what stops it. */
  startTrickle(running: Running): () => void;
  /** Lines for the terminal: requests to try, and what keeps changing. */
  examples(running: Running): string[];
}

/** The sample of each domain that has one. */
export async function readSamples(): Promise<Sample[]> {
  const files = (await readdir(new URL('./samples/', import.meta.url))).filter((file) => file.endsWith('.ts')).sort();
  return Promise.all(files.map(async (file) => ((await import(`./samples/${file}`)) as { sample: Sample }).sample));
}

/** Loads all samples at once. @throws Error  a job of one failed */
export async function loadSamples(samples: readonly Sample[], running: Running): Promise<void> {
  const format = '  {bar} {percentage}% {name} {step}';
  const bars = new MultiBar({ format, hideCursor: true, noTTYOutput: false, barsize: 24 }, Presets.shades_classic);
  const follow: Follow = async (name, total, jobId) => {
    const bar = bars.create(total, 0, { name, step: '' });
    const job = await followJob(running.url, jobId, ({ progress }) => {
      const done = progress.percent === null ? progress.read : (progress.percent / 100) * total;
      bar.update(Math.min(done, total), { name, step: progress.step ?? '' });
    });
    bar.update(total, { name, step: job.status });
    if (job.status !== 'succeeded') throw new Error(`${name} was not loaded: ${job.error?.message ?? job.status}`);
  };
  try {
    await Promise.all(samples.map((sample) => sample.load(running, follow)));
  } finally {
    bars.stop();
  }
}
