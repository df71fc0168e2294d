/**
 * The functions that the declarations call for, as plain values.
 *
 * The bundler takes entries and files from these plans; the stack takes queues, settings and grants. What a plan does
 * not name, its function does not get.
 */
import {
  type Domain,
  isWritingApi,
  jobsOf,
  lanesOf,
  tieredTablesOf,
  upstreamsOfApi,
  upstreamsOfEtl,
} from '../shared/kernel/domain.ts';
import type { FunctionDeclaration, FunctionSettings, Grant, Invocation } from '../shared/kernel/function.ts';
import type { Lane } from '../shared/kernel/job.ts';
import type { Upstream } from '../shared/kernel/upstream.ts';

/** A queue that invokes a function. */
export interface QueuePlan {
  name: string;
  batchSize: number;
  /** How many batches the function handles at once. */
  maxConcurrency: number;
  delaySeconds?: number;
}

/** The queue that a lane of a domain's jobs goes through. */
export interface LanePlan {
  domain: string;
  lane: Lane;
  queue: string;
}

export interface FunctionPlan {
  /** Also the name of its bundle, and its service name in logs and metrics. */
  name: string;
  /** Its entry file, from the project's root. */
  entry: string;
  memoryMb: number;
  timeoutSeconds: number;
  heapMb?: number;
  /** Connections per container to each host. */
  poolSize: number;
  /** Paths from the project's root → paths in the bundle. */
  files: Readonly<Record<string, string>>;
  /** Without a role it runs outside the network. */
  roles: NonNullable<FunctionDeclaration['roles']>;
  redis: boolean;
  upstreams: readonly Upstream[];
  /** The queues that invoke it. */
  queues: readonly QueuePlan[];
  /** The lanes it may start jobs in. */
  startsJobsIn: readonly LanePlan[];
  /** The domain whose dropped files it reads. */
  importsOf?: string;
  grants: readonly Grant[];
  /** How a declared function is invoked; an API is invoked by its routes, an etl by its lanes. */
  invoked?: Invocation;
}

const defaults = { memoryMb: 512, timeoutSeconds: 30, poolSize: 2 };
const laneConcurrency = 5;
/** Small messages: as many as one receive returns. */
const messagesPerBatch = 10;

/** A plan for each function of the domains: its API, its etl if it has jobs, and those it declares. */
export function planFunctions(domains: readonly Domain[]): FunctionPlan[] {
  const all = domains.flatMap(lanesOfDomain);
  return domains.flatMap((domain) => [
    planApi(domain, all),
    ...(jobsOf(domain).length > 0 ? [planEtl(domain, all)] : []),
    ...Object.entries(domain.functions ?? {}).map(([name, declared]) => planDeclared(domain, name, declared, all)),
  ]);
}

/** The name of the queue that a lane of a domain's jobs goes through. */
export function laneQueue(domain: string, lane: Lane): string {
  return `${domain}-${lane}`;
}

/** The queue of the function that publishes the outbox. @throws Error  no function declares that it puts events */
export function relayQueueOf(plans: readonly FunctionPlan[]): string {
  const relay = plans.find(({ grants, queues }) => grants.includes('putEvents') && queues.length > 0);
  if (!relay) throw new Error('No function with a queue declares the grant putEvents: nothing publishes the outbox.');
  return relay.queues[0]!.name;
}

function planApi(domain: Domain, all: readonly LanePlan[]): FunctionPlan {
  const settings = domain.api ?? {};
  const writes = isWritingApi(domain);
  return {
    name: `${domain.name}-api`,
    entry: `functions/${domain.name}/api.ts`,
    ...planSettings({ memoryMb: 1_024, ...settings, grants: grantsOfApi(domain) }),
    roles: { reads: 'reader', ...(writes ? { writes: 'writer' } : {}) },
    redis: true,
    upstreams: upstreamsOfApi(domain),
    queues: [],
    startsJobsIn: startableLanes(settings, writes ? lanesOfDomain(domain) : [], all),
  };
}

/** Reads of tiered tables span the files of their oldest months. */
function grantsOfApi(domain: Domain): readonly Grant[] {
  const declared = domain.api?.grants ?? [];
  return tieredTablesOf([domain]).length > 0 ? [...declared, 'readArchive'] : declared;
}

function planEtl(domain: Domain, all: readonly LanePlan[]): FunctionPlan {
  const settings = domain.etl ?? {};
  const lanes = lanesOfDomain(domain);
  return {
    name: `${domain.name}-etl`,
    entry: `functions/${domain.name}/etl.ts`,
    ...planSettings({ memoryMb: 1_024, timeoutSeconds: 900, ...settings }),
    poolSize: 4,
    roles: { reads: 'reader', writes: 'worker' },
    redis: true,
    upstreams: upstreamsOfEtl(domain),
    queues: lanes.map(({ queue }) => ({ name: queue, batchSize: 1, maxConcurrency: laneConcurrency })),
    startsJobsIn: startableLanes(settings, lanes, all),
    ...(Object.keys(domain.datasets).length > 0 ? { importsOf: domain.name } : {}),
  };
}

function planDeclared(
  { name: domain }: Domain,
  name: string,
  declared: FunctionDeclaration,
  all: readonly LanePlan[],
): FunctionPlan {
  const { invoked, roles = {}, redis = false, poolSize } = declared;
  return {
    name,
    entry: `functions/${domain}/${name}.ts`,
    ...planSettings(declared),
    ...(poolSize === undefined ? {} : { poolSize }),
    roles,
    redis,
    upstreams: [],
    queues: queuesOf(name, invoked),
    startsJobsIn: startableLanes(declared, [], all),
    invoked,
  };
}

function planSettings({ memoryMb, timeoutSeconds, heapMb, grants = [], files = {} }: FunctionSettings) {
  return {
    memoryMb: memoryMb ?? defaults.memoryMb,
    timeoutSeconds: timeoutSeconds ?? defaults.timeoutSeconds,
    poolSize: defaults.poolSize,
    ...(heapMb === undefined ? {} : { heapMb }),
    grants,
    files,
  };
}

function queuesOf(name: string, invoked: Invocation): QueuePlan[] {
  if (invoked.by !== 'queue' && invoked.by !== 'events') return [];
  const first = { name, batchSize: messagesPerBatch, maxConcurrency: invoked.maxConcurrency };
  const delaySeconds = invoked.by === 'events' ? invoked.againAfterSeconds : undefined;
  return [first, ...(delaySeconds === undefined ? [] : [{ ...first, name: `${name}-again`, delaySeconds }])];
}

function lanesOfDomain(domain: Domain): LanePlan[] {
  return lanesOf(domain).map((lane) => ({ domain: domain.name, lane, queue: laneQueue(domain.name, lane) }));
}

function startableLanes({ grants = [] }: FunctionSettings, own: LanePlan[], all: readonly LanePlan[]) {
  return grants.includes('startJobs') ? all : own;
}
