/** The whole system on one machine: what the template says, wired to servers that run here. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { startEventBus } from './event-bus.ts';
import { containersFor, startEventSources } from './event-sources.ts';
import { upstreamsIn } from './function-plans.ts';
import { createFunctions, type Functions } from './functions.ts';
import { startGateway } from './gateway.ts';
import { type Plan, planOf } from './plan.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type CreatedObject, localRegion, type Queues, startQueues } from './queues.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { startSchedules } from './schedules.ts';
import { secretValues } from './secret-values.ts';
import { startSecrets } from './secrets.ts';
import { readTemplate } from './template.ts';
import type { StandIn } from './upstreams/stand-in.ts';
import { startUpstreams, type Upstreams } from './upstreams/start.ts';

export interface RuntimeOptions {
  /** The folder that `cdk synth` wrote. */
  template: string;
  /** Where state is kept between runs. */
  directory: string;
  /** 0: any. */
  port: number;
  log(line: string): void;
  /** Stand-ins to use instead of those in `local/upstreams/`, by the upstream's name. */
  standIns?: Readonly<Record<string, StandIn>>;
  /** Called with the servers' processes, so that the next run can stop them if this one is killed. */
  onServers?(pids: number[]): Promise<void>;
}

export interface Runtime {
  url: string;
  s3Url: string;
  importsBucket: string;
  archiveBucket: string;
  adminToken: string;
  plan: Plan;
  functions: Functions;
  upstreams: Upstreams;
  stop(): Promise<void>;
}

type Stops = (() => Promise<unknown> | unknown)[];

/** Starts everything, migrates, and opens the gateway. @throws Error  a part did not start; what had started is stopped */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const stops: Stops = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return { ...(await start(options, stops)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: RuntimeOptions, stops: Stops): Promise<Omit<Runtime, 'stop'>> {
  const { directory, port } = options;
  const logs = join(directory, 'logs');
  await mkdir(logs, { recursive: true });
  const template = await readTemplate(options.template);
  const upstreams = await startUpstreams(upstreamsIn(template), directory, options.standIns);
  stops.push(() => upstreams.stop());
  let onObjectCreated = (_: CreatedObject): void => {};
  const servers = await startServers(options, logs, stops, (created) => onObjectCreated(created));
  const { queues } = servers;
  const plan = planOf(template, { queuesUrl: queues.url, overrides: overridesOf(servers, upstreams) });
  createQueues(plan, queues);
  onObjectCreated = (created) => notify(plan, queues, created);

  const bus = await startEventBus(plan.rules, (queue, body) => void queues.server.sendMessage(queue, body));
  stops.push(() => bus.stop());
  const { values, adminToken } = await secretValues(plan, join(directory, 'secrets.json'), upstreams.secrets);
  const secrets = await startSecrets(values);
  stops.push(() => secrets.stop());

  const functions = createFunctions(plan.functions, {
    environment: lambdaEnvironment({ queues: queues.url, bus: bus.url, secrets: secrets.url }),
    containersFor: (name) => containersFor(plan.eventSources, name),
    logTo: (name) => logFile(logs, name),
  });
  stops.push(() => functions.stop());
  for (const name of plan.runsFirst) await functions.invoke(name, {});
  const sources = startEventSources(plan.eventSources, functions, queues.url);
  stops.push(() => sources.stop());
  stops.push(startSchedulesOf(plan, queues, functions));
  const { routes, corsHeaders } = plan;
  const gateway = await startGateway({ routes, corsHeaders, functions, port });
  stops.push(() => gateway.stop());
  const importsBucket = plan.notifications[0]?.bucket ?? '';
  const archiveBucket = plan.functions.find(({ environment }) => environment.ARCHIVE_BUCKET)?.environment
    .ARCHIVE_BUCKET;
  const buckets = { importsBucket, archiveBucket: archiveBucket ?? '' };
  return { url: gateway.url, s3Url: queues.url, ...buckets, adminToken, plan, functions, upstreams };
}

interface Servers {
  postgres: Postgres;
  redis: RedisServer;
  queues: Queues;
}

async function startServers(
  { directory, log, onServers }: RuntimeOptions,
  logs: string,
  stops: Stops,
  onObjectCreated: (created: CreatedObject) => void,
): Promise<Servers> {
  const postgresLog = logFile(logs, 'postgres');
  const stopped = <Server extends { stop(): Promise<void> }>(starting: Promise<Server>) =>
    starting.then((server) => {
      stops.push(() => server.stop());
      return server;
    });
  const starting = [
    stopped(startPostgres({ directory: join(directory, 'postgres'), log: (line) => postgresLog.write(`${line}\n`) })),
    stopped(startRedis(log)),
    stopped(
      startQueues({ onObjectCreated: async (one) => onObjectCreated(one), directory: join(directory, 'queues') }),
    ),
  ] as const;
  // if one fails, those that start later have to be stopped as well
  await Promise.allSettled(starting);
  const [postgres, redis, queues] = await Promise.all(starting);
  await onServers?.([...postgres.pids, ...(redis.process?.pid ? [redis.process.pid] : [])]);
  await createDatabase(postgres);
  return { postgres, redis, queues };
}

async function createDatabase(postgres: Postgres): Promise<void> {
  const client = await postgres.connect();
  const { rowCount } = await client.query(`select 1 from pg_database where datname = 'tributary'`);
  if (rowCount === 0) await client.query('create database tributary');
  await client.end();
}

/** Settings of the template whose values are different on this machine. */
function overridesOf({ postgres, redis }: Servers, upstreams: Upstreams): Record<string, string> {
  return {
    DATABASE_WRITER_HOST: postgres.writer,
    DATABASE_READER_HOST: postgres.reader,
    DATABASE_ANALYTICS_HOST: postgres.reader,
    DATABASE_CLUSTER_ID: 'local',
    REDIS_URL: redis.url,
    REDIS_SECRET_ARN: '',
    NODE_EXTRA_CA_CERTS: '',
    ...upstreams.settings,
  };
}

/** What every function gets: the Lambda runtime's own settings, and the endpoints that replace the region's. */
function lambdaEnvironment(urls: { queues: string; bus: string; secrets: string }): Record<string, string> {
  return {
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_S3: urls.queues,
    AWS_ENDPOINT_URL_SQS: urls.queues,
    AWS_ENDPOINT_URL_EVENTBRIDGE: urls.bus,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: urls.secrets,
    DATABASE_TLS: 'off',
    POWERTOOLS_TRACE_ENABLED: 'false',
    WEBHOOK_ALLOWED_ADDRESSES: '127.0.0.1',
  };
}

function createQueues(plan: Plan, { server }: Queues): void {
  // a dead-letter queue must exist before the queue that names it
  const [sources, targets] = [true, false].map((redrives) =>
    plan.queues.filter(({ attributes }) => 'RedrivePolicy' in attributes === redrives),
  ) as [Plan['queues'], Plan['queues']];
  for (const { name, attributes } of [...targets, ...sources]) server.createQueue(name, { attributes });
  for (const bucket of plan.buckets) server.createBucket(bucket);
}

function notify(plan: Plan, { server }: Queues, created: CreatedObject): void {
  for (const { queue, bucket, prefix } of plan.notifications) {
    if (bucket === created.bucket && created.key.startsWith(prefix)) server.sendMessage(queue, notificationOf(created));
  }
}

function notificationOf({ bucket, key, size, etag }: CreatedObject): string {
  const object = { key: encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+'), size, eTag: etag };
  return JSON.stringify({
    Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } }],
  });
}

function startSchedulesOf({ schedules }: Plan, { server }: Queues, functions: Functions): () => void {
  return startSchedules(
    schedules.map(({ name, expression, input = '{}', target }) => ({
      name,
      expression,
      run: async () =>
        'queue' in target
          ? server.sendMessage(target.queue, input)
          : functions.invoke(target.function, JSON.parse(input)),
    })),
  );
}

const files = new Map<string, Writable>();

function logFile(logs: string, name: string): Writable {
  const path = join(logs, `${name}.log`);
  const open = files.get(path) ?? createWriteStream(path, { flags: 'a' });
  // every container of a function writes to it
  open.setMaxListeners(0);
  files.set(path, open);
  return open;
}
