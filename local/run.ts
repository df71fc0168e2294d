/** `npm start`: the synthesized stack on this machine, with sample data unless told otherwise. */
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { removePostgres } from './postgres.ts';
import { startRuntime } from './runtime.ts';
import { loadSample, startTrades } from './sample.ts';
import { startUpstreams, type Upstreams } from './upstreams/start.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const stateFolder = join(root, '.tributary');
const lockFile = join(stateFolder, 'run.json');
/** The stage whose template runs here: the one that leaves nothing out. */
const stage = 'prod';
const trickleEveryMs = 3_000;
const tradesEveryMs = 20_000;

interface Options {
  empty: boolean;
  reset: boolean;
  port: number;
}

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
  await refuseSecondRun();
  const directory = join(stateFolder, empty ? 'empty' : 'sample');
  if (reset) {
    await removePostgres(join(directory, 'postgres'));
    await rm(directory, { recursive: true, force: true });
  }
  await mkdir(directory, { recursive: true });
  await writeFile(lockFile, JSON.stringify({ pid: process.pid }));
  const stops: (() => Promise<unknown> | unknown)[] = [() => rm(lockFile, { force: true })];
  const stop = stopOnce(stops);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    await start({ empty, port, directory }, stops);
  } catch (error) {
    for (const one of stops.reverse()) await one();
    throw error;
  }
}

async function start(
  { empty, port, directory }: { empty: boolean; port: number; directory: string },
  stops: (() => unknown)[],
): Promise<void> {
  const template = step('synthesizing the stack', synthesize);
  const upstreams = await startUpstreams(join(directory, 'upstreams.json'));
  stops.push(() => upstreams.stop());
  say('starting Postgres, its replica, Redis, SQS and S3; migrating');
  const runtime = await startRuntime({
    template,
    directory,
    port,
    log: say,
    onServers: (servers) => writeFile(lockFile, JSON.stringify({ pid: process.pid, servers })),
    upstreams: upstreams.settings,
    upstreamSecrets: upstreams.secrets,
  });
  stops.push(() => runtime.stop());
  const { url, s3Url, importsBucket, adminToken } = runtime;
  const { servers } = JSON.parse(await readFile(lockFile, 'utf8'));
  await writeFile(lockFile, JSON.stringify({ pid: process.pid, servers, url, s3Url, importsBucket }));
  const kept = await readFile(join(directory, 'loaded'), 'utf8').catch(() => undefined);
  if (!empty && !kept) {
    await loadSample({ url, adminToken }, upstreams.collections);
    await writeFile(join(directory, 'loaded'), new Date().toISOString());
  }
  if (!empty) {
    stops.push(upstreams.startTrickle({ everyMs: trickleEveryMs, webhookUrl: `${url}/v1/webhooks/alchemy` }));
    stops.push(startTrades({ url, adminToken }, upstreams.snowflake, tradesEveryMs));
  }
  announce(url, adminToken, empty ? undefined : upstreams);
}

function announce(url: string, adminToken: string, sample: Upstreams | undefined): void {
  console.log(`
Tributary runs.
  API            ${url}/v1/collections
  documentation  ${url}/docs
  operator       curl -H 'authorization: Bearer ${adminToken}' ${url}/v1/admin/queues
  logs           ${join(stateFolder, '*', 'logs')}${
    sample
      ? `
  try            curl -i ${url}/v1/collections/${sample.collections[0]!.address}           (warmed: a hit)
                 curl -i ${url}/v1/collections/${sample.collections[0]!.address}/nfts/7    (a miss, then hits)
                 a transfer every ${trickleEveryMs / 1_000} s keeps changing owners: see …/nfts/{tokenId}/owner
                 curl -i '${url}/v1/leaderboards/wallets?by=floorValue&limit=3'
                 curl -i ${url}/v1/wallets/${sample.snowflake.world.wallets[0]}/summary
                 a sync every ${tradesEveryMs / 1_000} s brings trades and prices from the warehouse: see /v1/jobs`
      : `
  import         npm run import -- collections.traits FILE --set collection=0x…`
  }
Ctrl-C stops everything.`);
}

/** @throws Error  another run is under way; what one that was killed has left behind is ended */
async function refuseSecondRun(): Promise<void> {
  const lock = JSON.parse(await readFile(lockFile, 'utf8').catch(() => '{}')) as {
    pid?: number;
    url?: string;
    servers?: number[];
  };
  if (lock.pid === undefined) return;
  if (!isAlive(lock.pid)) return endServers(lock.servers ?? []);
  throw new Error(
    `Tributary runs already${lock.url ? ` at ${lock.url}` : ''} (process ${lock.pid}); stop it with Ctrl-C there.`,
  );
}

async function endServers(pids: number[]): Promise<void> {
  const ours: number[] = [];
  for (const pid of pids) {
    // the number may be another's by now
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/postgres|redis|valkey/.test(command)) ours.push(pid);
  }
  for (const pid of ours) process.kill(pid, 'SIGINT');
  while (ours.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 50));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function synthesize(): string {
  const output = join(root, 'cdk.out');
  const arguments_ = ['synth', '--quiet', '-c', `stage=${stage}`, '-c', 'nag=off', '-o', output];
  const { status, stderr, stdout } = spawnSync('cdk', arguments_, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`cdk synth failed:\n${stderr}${stdout}`);
  return output;
}

function step<T>(what: string, work: () => T): T {
  say(what);
  return work();
}

function say(line: string): void {
  console.log(`· ${line}`);
}

/**
 * Everything is stopped once, in the reverse order of its start; another Ctrl-C after that ends the process as it is. The
 * first one may come twice: from the terminal, and from npm, which passes it on.
 */
function stopOnce(stops: (() => Promise<unknown> | unknown)[]): () => void {
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
