/** `npm start`: the synthesized stack on this machine, with sample data unless `--empty`. */
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findKilledRun, type Lock, stopLeftovers, writeLock } from './lock.ts';
import { removePostgres } from './postgres.ts';
import { startRuntime } from './runtime.ts';
import { loadSamples, type Running, readSamples, type Sample } from './sample.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const stateFolder = join(root, '.tributary');
/** The stage whose template runs here: the one that leaves nothing out. */
const stage = 'prod';

interface Options {
  empty: boolean;
  reset: boolean;
  port: number;
}

type Stops = (() => Promise<unknown> | unknown)[];

try {
  await run(readOptions());
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      empty: { type: 'boolean', default: false },
      reset: { type: 'boolean', default: false },
      port: { type: 'string', default: '4000' },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port takes a number from 0 to 65535, not ${values.port}.`);
  return { empty: values.empty, reset: values.reset, port };
}

async function run({ empty, reset, port }: Options): Promise<void> {
  const lock: Lock = { pid: process.pid };
  await mkdir(stateFolder, { recursive: true });
  const killed = await findKilledRun(stateFolder);
  if (killed) await stopLeftovers(killed);
  const directory = join(stateFolder, empty ? 'empty' : 'sample');
  if (reset) {
    await removePostgres(join(directory, 'postgres'));
    await rm(directory, { recursive: true, force: true });
  }
  await mkdir(directory, { recursive: true });
  const stops: Stops = [await writeLock(stateFolder, lock)];
  const stop = stopOnce(stops);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    await start(directory, port, empty ? [] : await readSamples(), lock, stops);
  } catch (error) {
    for (const one of stops.reverse()) await one();
    throw error;
  }
}

async function start(directory: string, port: number, samples: Sample[], lock: Lock, stops: Stops): Promise<void> {
  say('synthesizing the stack');
  const template = synthesize();
  say('starting Postgres, its replica, Redis, SQS and S3; migrating');
  const runtime = await startRuntime({
    template,
    directory,
    port,
    log: say,
    onServers: async (servers) => void (await writeLock(stateFolder, Object.assign(lock, { servers }))),
  });
  stops.push(() => runtime.stop());
  const { url, s3Url, importsBucket, archiveBucket } = runtime;
  await writeLock(stateFolder, Object.assign(lock, { url, s3Url, importsBucket, archiveBucket }));
  const loaded = await readFile(join(directory, 'loaded'), 'utf8').catch(() => undefined);
  if (samples.length > 0 && loaded === undefined) {
    await loadSamples(samples, runtime);
    await writeFile(join(directory, 'loaded'), new Date().toISOString());
  }
  for (const sample of samples) stops.push(sample.startTrickle(runtime));
  announce(runtime, samples);
}

function announce(running: Running, samples: readonly Sample[]): void {
  const { url, adminToken } = running;
  const examples = samples.flatMap((sample) => sample.examples(running));
  const lines: [label: string, ...string[]][] = [
    ['API', `${url}/v1`],
    ['documentation', `${url}/docs`],
    ['operator', `curl -H 'authorization: Bearer ${adminToken}' ${url}/v1/admin/queues`],
    ['logs', join(stateFolder, '*', 'logs')],
    examples.length > 0
      ? ['try', ...examples]
      : ['import', 'npm run import -- <domain>.<dataset> FILE', `The datasets are at ${url}/v1/imports`],
  ];
  console.log('\nTributary is running.');
  for (const [label, ...values] of lines)
    for (const [i, value] of values.entries()) console.log(`  ${(i === 0 ? label : '').padEnd(15)}${value}`);
  console.log('Ctrl-C stops everything.');
}

function synthesize(): string {
  const output = join(root, 'cdk.out');
  const args = ['synth', '--quiet', '-c', `stage=${stage}`, '-c', 'nag=off', '-o', output];
  const { status, stderr, stdout } = spawnSync('cdk', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`cdk synth failed:\n${stderr}${stdout}`);
  return output;
}

function say(line: string): void {
  console.log(`· ${line}`);
}

/**
 * Stops everything once, in the reverse order of its start. Another Ctrl-C ends the process at once, unless it follows
 * within two seconds: the first one may arrive twice, from the terminal and from npm, which passes it on.
 */
function stopOnce(stops: Stops): () => void {
  let since: number | undefined;
  return () => {
    if (since !== undefined && Date.now() > since + 2_000) process.exit(1);
    if (since !== undefined) return;
    since = Date.now();
    say('stopping');
    (async () => {
      for (const one of stops.splice(0).reverse()) await one();
    })().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error((error as Error).message);
        process.exit(1);
      },
    );
  };
}
