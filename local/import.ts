/** `npm run import -- <domain>.<dataset> FILE [--set column=value …]`: drops a file into the running system and follows its import. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import { followJob } from './follow-job.ts';
import { type Lock, readLock } from './lock.ts';
import { upload } from './upload.ts';

interface Listed {
  dataset: string;
  columns: { name: string; settable: boolean }[];
}

type Running = Required<Pick<Lock, 'url' | 's3Url' | 'importsBucket'>>;

const usage = 'npm run import -- <domain>.<dataset> FILE [--set column=value …]';

try {
  process.exitCode = await importFile();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function importFile(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { set: { type: 'string', multiple: true, default: [] } },
  });
  const [dataset, file, ...more] = positionals;
  if (!dataset || !file || more.length > 0) throw new Error(`Usage: ${usage}`);
  const running = await findRunning();
  const set = await checkArguments(running, dataset, values.set);
  const { size } = await stat(file).catch(() => {
    throw new Error(`There is no file ${file}.`);
  });
  const jobId = await upload(
    running,
    dataset,
    { name: basename(file), content: createReadStream(file), bytes: size },
    set,
  );
  return follow(running.url, jobId);
}

async function findRunning(): Promise<Running> {
  const running = await readLock(fileURLToPath(new URL('../.tributary/', import.meta.url)));
  const answers =
    running?.url &&
    (await fetch(`${running.url}/v1/imports`).then(
      ({ ok }) => ok,
      () => false,
    ));
  if (!answers) throw new Error('Tributary is not running. Start it with npm start.');
  return running as Running;
}

/** The --set columns as an object. @throws Error  the dataset or a column is unknown; the message lists the known */
async function checkArguments({ url }: Running, dataset: string, given: string[]): Promise<Record<string, string>> {
  const { imports } = (await (await fetch(`${url}/v1/imports`)).json()) as { imports: Listed[] };
  const listed = imports.find((one) => one.dataset === dataset);
  if (!listed)
    throw new Error(`Unknown dataset ${dataset}. Datasets: ${imports.map((one) => one.dataset).join(', ')}.`);
  const settable = listed.columns.filter((column) => column.settable).map(({ name }) => name);
  const pairs = given.map((text) => {
    const [column, ...value] = text.split('=');
    if (!column || value.length === 0) throw new Error(`--set takes column=value, not ${text}.`);
    if (!settable.includes(column))
      throw new Error(`${dataset} does not take --set ${column}. Allowed: ${settable.join(', ') || 'none'}.`);
    return [column, value.join('=')];
  });
  return Object.fromEntries(pairs);
}

async function follow(url: string, jobId: string): Promise<number> {
  const bar = new SingleBar(
    { format: '{bar} {percentage}% | {read} rows read', hideCursor: true, noTTYOutput: false },
    Presets.shades_classic,
  );
  bar.start(100, 0, { read: 0 });
  const { status, progress, error, rejectedRows } = await followJob(url, jobId, (job) =>
    bar.update(job.progress.percent ?? 0, { read: job.progress.read }),
  );
  bar.stop();
  const { read, applied, unchanged, rejected } = progress;
  console.log(`${read} rows read, ${applied} applied, ${unchanged} unchanged, ${rejected} rejected`);
  if (rejectedRows) console.log(`reasons for rejected rows: ${url}${rejectedRows}`);
  if (status === 'succeeded') return 0;
  console.error(`The import ended as ${status}: ${error?.message ?? 'no reason given'}`);
  return 1;
}
