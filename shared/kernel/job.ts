import * as z from 'zod';
import type { EventDeclaration } from './event.ts';
import type { Upstream } from './upstream.ts';

/**
 * Each lane has its own queue, so that `prompt` jobs (refreshes, alerts, warming) never wait for `bulk` (syncs,
 * imports).
 */
export type Lane = 'prompt' | 'bulk';

/** When a job starts by itself. */
export interface Schedule {
  /**
   * An EventBridge Scheduler expression in UTC: `rate(15 minutes)`, `cron(0 3 * * ? *)`. Hourly schedules are left out in
   * stages where the database may pause (`dev`).
   */
  expression: string;
  /** The parameters of the job. Default: none. */
  params?: Readonly<Record<string, unknown>>;
}

interface JobSpec {
  summary: string;
  lane: Lane;
  /** Default: none. Parsing must be idempotent: parameters are parsed when the job is queued and again when it runs. */
  params?: z.ZodObject;
  /** When it starts by itself. A string is the expression of one schedule without parameters. */
  schedule?: string | readonly Schedule[];
  /**
   * Events that start it, without parameters. If one arrives while it is running, it runs once more, so that its last
   * run begins after every event.
   */
  on?: readonly EventDeclaration[];
  /** The upstreams it calls. */
  upstreams?: readonly Upstream[];
}

/** Work that runs outside a request, started by a schedule, an event or the API: a sync, a refresh, a check. */
export interface JobDeclaration<Name extends string = string, Params extends z.ZodObject = z.ZodObject>
  extends JobSpec {
  domain: string;
  name: Name;
  params: Params;
}

const nothing = z.strictObject({});

type ParamsOf<Spec> = Spec extends { params: infer Params extends z.ZodObject } ? Params : typeof nothing;

/** Declares the jobs of a domain, keyed by their names. */
export function defineJobs<Specs extends Record<string, JobSpec>>(
  domain: string,
  specs: Specs,
): { readonly [Name in keyof Specs & string]: JobDeclaration<Name, ParamsOf<Specs[Name]>> } {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, { params: nothing, ...spec, domain, name }]),
  ) as never;
}

/** A job's name in the API, in messages, and in `platform.jobs`: `collections.loadCollection`. */
export function jobNameOf({ domain, name }: JobDeclaration): string {
  return `${domain}.${name}`;
}

/** The schedules of a job. */
export function schedulesOf({ schedule = [] }: JobDeclaration): readonly Schedule[] {
  return typeof schedule === 'string' ? [{ expression: schedule }] : schedule;
}

/** The job that imports the files of a domain's datasets. */
export function importJobOf(domain: string) {
  return defineJobs(domain, {
    import: {
      summary: 'Imports a file of the imports bucket.',
      lane: 'bulk',
      params: z.strictObject({ bucket: z.string(), key: z.string(), etag: z.string().optional() }),
    },
  }).import;
}
