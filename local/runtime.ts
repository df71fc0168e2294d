/** The whole system on one machine: what the template says, wired to servers that run here. */
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { startEventBus } from './event-bus.ts';
import { startEventSources } from './event-sources.ts';
import { createFunctions, type Functions } from './functions.ts';
import { startGateway } from './gateway.ts';
import { type Plan, planOf } from './plan.ts';
import { databaseOwner, startPostgres } from './postgres.ts';
import { type CreatedObject, localRegion, startQueues } from './queues.ts';
import { startRedis } from './redis.ts';
import { startSchedules } from './schedules.ts';
import { startSecrets } from './secrets.ts';
import { readTemplate } from './template.ts';

export interface RuntimeOptions {
  /** The folder that `cdk synth` wrote. */
  template: string;
  /** Where state is kept between runs. */
  directory: string;
  /** 0: any. */
  port: number;
  /** Addresses of the upstreams' stand-ins, by the settings' names: `ALCHEMY_BASE_URL`. */
  upstreams: Record<string, string>;
  /** Values of the upstreams' secrets, by the upstream's name. */
  upstreamSecrets: Record<string, Record<string, string>>;
  log(line: string): void;
  /** Told of the servers' processes, so that a run after one that was killed can end them. */
  onServers?(pids: number[]): Promise<void>;
}

export interface Runtime {
  url: string;
  s3Url: string;
  importsBucket: string;
  adminToken: string;
  plan: Plan;
  functions: Functions;
  stop(): Promise<void>;
}

/** Starts everything, migrates, and lets traffic in. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { directory, log } = options;
  const logs = join(directory, 'logs');
  await mkdir(logs, { recursive: true });
  const stops: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return await start(options, logs, stops, stop);
  } catch (error) {
    await stop();
    log('the start was given up');
    throw error;
  }
}

async function start(
  { template: folder, directory, port, upstreams, upstreamSecrets, log, onServers }: RuntimeOptions,
  logs: string,
  stops: (() => Promise<unknown> | unknown)[],
  stop: () => Promise<void>,
): Promise<Runtime> {
  const template = await readTemplate(folder);
  const postgresLog = logFile(logs, 'postgres');
  let notify = async (_: CreatedObject): Promise<void> => {};
  const [postgres, redis, queues] = await Promise.all([
    startPostgres({ directory: join(directory, 'postgres'), log: (line) => void postgresLog.write(`${line}\n`) }),
    startRedis(log),
    startQueues({ onObjectCreated: (created) => notify(created), directory: join(directory, 'queues') }),
  ]);
  stops.push(
    () => postgres.stop(),
    () => redis.stop(),
    () => queues.stop(),
  );
  await onServers?.([...postgres.pids, ...(redis.process?.pid ? [redis.process.pid] : [])]);
  await createDatabase(postgres);

  const secretsUrl = { current: 'http://127.0.0.1:1' };
  const overridesOf = (bus: string, secrets: string): Record<string, string> => ({
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_S3: queues.url,
    AWS_ENDPOINT_URL_SQS: queues.url,
    AWS_ENDPOINT_URL_EVENTBRIDGE: bus,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets,
    DATABASE_WRITER_HOST: postgres.writer,
    DATABASE_READER_HOST: postgres.reader,
    DATABASE_ANALYTICS_HOST: postgres.reader,
    DATABASE_TLS: 'off',
    DATABASE_CLUSTER_ID: 'local',
    REDIS_URL: redis.url,
    REDIS_SECRET_ARN: '',
    NODE_EXTRA_CA_CERTS: '',
    POWERTOOLS_TRACE_ENABLED: 'false',
    ...upstreams,
  });
  const draft = planOf(template, { queuesUrl: queues.url, overrides: overridesOf('', secretsUrl.current) });
  const bus = await startEventBus(draft.rules, (queue, body) => void queues.server.sendMessage(queue, body));
  const { values, adminToken } = await secretValues(draft, directory, upstreamSecrets);
  const secrets = await startSecrets(values);
  stops.push(
    () => bus.stop(),
    () => secrets.stop(),
  );
  const plan = planOf(template, { queuesUrl: queues.url, overrides: overridesOf(bus.url, secrets.url) });

  for (const { name, attributes } of [...plan.queues].sort(
    (a, b) => Number('RedrivePolicy' in a.attributes) - Number('RedrivePolicy' in b.attributes),
  )) {
    queues.server.createQueue(name, { attributes });
  }
  for (const bucket of plan.buckets) queues.server.createBucket(bucket);
  notify = async (created) => {
    for (const { queue, bucket, prefix } of plan.notifications) {
      if (bucket === created.bucket && created.key.startsWith(prefix))
        queues.server.sendMessage(queue, notificationOf(created));
    }
  };

  const functions = createFunctions(plan.functions, (name) => logFile(logs, name));
  stops.push(() => functions.stop());
  await functions.invoke('migrate', {});
  const sources = startEventSources(plan.eventSources, functions, queues.url);
  stops.push(() => sources.stop());
  const stopSchedules = startSchedules(
    plan.schedules.map(({ name, expression, input = '{}', target }) => ({
      name,
      expression,
      run: async () =>
        'queue' in target
          ? queues.server.sendMessage(target.queue, input)
          : functions.invoke(target.function, JSON.parse(input)),
    })),
  );
  stops.push(stopSchedules);
  const gateway = await startGateway(plan.routes, functions, port);
  stops.push(() => gateway.stop());
  const importsBucket = plan.notifications[0]?.bucket ?? '';
  return { url: gateway.url, s3Url: queues.url, importsBucket, adminToken, plan, functions, stop };
}

async function createDatabase(postgres: Awaited<ReturnType<typeof startPostgres>>): Promise<void> {
  const client = await postgres.connect();
  const { rowCount } = await client.query(`select 1 from pg_database where datname = 'tributary'`);
  if (rowCount === 0) await client.query('create database tributary');
  await client.end();
}

/** The values of the template's secrets on this machine, the same in every run. */
async function secretValues(plan: Plan, directory: string, upstreamSecrets: Record<string, Record<string, string>>) {
  const file = join(directory, 'secrets.json');
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Record<string, string>;
  const password = (of: string) => (kept[of] ??= randomBytes(18).toString('hex'));
  const values = new Map<string, Record<string, unknown>>();
  for (const [logicalId, { template }] of plan.secrets) {
    const upstream = Object.keys(upstreamSecrets).find((name) => logicalId.toLowerCase().startsWith(name));
    if (upstream) values.set(logicalId, upstreamSecrets[upstream]!);
    else if (logicalId.startsWith('AdminToken'))
      values.set(logicalId, { sha256: createHash('sha256').update(password('adminToken')).digest('hex') });
    else values.set(logicalId, secretOf(logicalId, template, password(logicalId)));
  }
  const adminToken = password('adminToken');
  await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
  return { values, adminToken };
}

function secretOf(logicalId: string, template: string | undefined, password: string): Record<string, unknown> {
  if (logicalId.startsWith('owner')) return { username: databaseOwner.user, password: databaseOwner.password };
  return { ...JSON.parse(template ?? '{}'), password };
}

function notificationOf({ bucket, key, size }: CreatedObject): string {
  const object = { key: encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+'), size };
  return JSON.stringify({
    Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } }],
  });
}

const files = new Map<string, Writable>();

function logFile(logs: string, name: string): Writable {
  const path = join(logs, `${name}.log`);
  const open = files.get(path) ?? createWriteStream(path, { flags: 'a' });
  open.setMaxListeners(0);
  files.set(path, open);
  return open;
}
