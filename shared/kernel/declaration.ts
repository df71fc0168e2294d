/**
 * What a domain says about itself: pure values, from which routes, functions, queues, schedules, rules, alarms, the
 * OpenAPI document and the room's README are derived. Nothing here does I/O.
 */
import type * as z from 'zod';

/** The tiers that the cached views share, in seconds; a view may name its own figure instead. */
export const ttlTiers = { hot: 300, warm: 1_800, cold: 86_400 } as const;

/** How often a message is received before it ends in the dead-letter queue. */
export const maxReceives = 5;

/** How long "not found" is remembered, in seconds. */
export const notFoundTtlSeconds = 30;

/**
 * Where an answer is kept in the cache, and what makes it void.
 *
 * `entity` and `dependsOn` are templates over the operation's path parameters (`collections:{address}`). Within the
 * entity an answer is kept under its operation and query, so no two operations share one.
 */
export interface ViewDeclaration {
  entity: string;
  /** Up to three more entities whose changes hide this view. */
  dependsOn?: readonly string[];
  ttl: keyof typeof ttlTiers | number;
  /** How long after its expiry an unfenced answer may stand in while the database is down. */
  graceSeconds?: number;
  /** `ttlOnly`: no change fences it; `staleness` must then say how old an answer may be. */
  kind?: 'fenced' | 'ttlOnly' | 'upstream';
  staleness?: string;
}

export type Access = 'public' | 'admin' | 'signed';

/** One HTTP operation: what comes in, what goes out, where its answer is cached. */
export interface Operation<
  Path extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
> {
  operationId: string;
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  summary: string;
  description?: string;
  /** `admin` needs the operator's bearer token; `signed` checks a signature over the raw body itself. */
  access: Access;
  pathParameters: Path;
  query: Query;
  body?: Body;
  status: 200 | 202 | 204;
  response: Response;
  /** Errors beyond 400 and 5xx that a caller has to expect. */
  problems?: readonly (401 | 404 | 409 | 413 | 429)[];
  cache?: ViewDeclaration;
  /** The media type of the answer where it is not JSON. */
  contentType?: string;
}

/** What a handler of the operation is given, parsed and normalised. */
export interface OperationInput<O extends Operation> {
  path: z.output<O['pathParameters']>;
  query: z.output<O['query']>;
  body: NonNullable<O['body']> extends z.ZodType ? z.output<NonNullable<O['body']>> : undefined;
}

export type OperationResponse<O extends Operation> = z.input<O['response']>;

/** Declares an operation; gives it back with its types kept. */
export function operation<
  Path extends z.ZodObject,
  Query extends z.ZodObject,
  Response extends z.ZodType,
  Body extends z.ZodType = never,
>(declaration: Operation<Path, Query, Body, Response>): Operation<Path, Query, Body, Response> {
  return declaration;
}

/** A fact that has happened, in the past tense: one type of row of the outbox and of message on the bus. */
export interface EventDeclaration {
  type: string;
  summary: string;
  /** The templates of the entities whose views it hides. */
  entities: readonly string[];
  detail: z.ZodType;
}

/** Work that runs outside a request: a sync, a refresh, a warming, a check. Started by schedule, API or event. */
export interface JobDeclaration {
  name: string;
  summary: string;
  params: z.ZodObject;
  /** An EventBridge Scheduler expression in UTC: `rate(15 minutes)`, `cron(0 3 * * ? *)`. */
  schedule?: string;
  /**
   * Types of events that start it, with no parameters. One that comes while it runs makes it run once more: so it has
   * seen whatever was announced before its last run began.
   */
  on?: readonly string[];
  /** Schedules that run more often than hourly are left out where the database may pause (stage `dev`). */
  keepsDatabaseAwake?: boolean;
}

/** A kind of file that may be dropped into the imports bucket. */
export interface ImportDeclaration {
  /** The dataset's name within its domain: `transfers` of `collections.transfers`. */
  name: string;
  summary: string;
  /** One row after parsing; the columns of the file are its keys. Unknown columns are refused unless it has a catchall. */
  row: z.ZodType;
  /** Other names that a file may have for a column: `moment_id` → `play_id`. */
  aliases?: Readonly<Record<string, string>>;
  /** Columns that `--set` may supply for every row. */
  settable: readonly string[];
  /** Share of rejected rows from which the run fails. */
  maxRejectedShare?: number;
}

export interface TableDeclaration {
  name: string;
  summary: string;
  /** Entities that a change of the table is announced for; or why views over it live by TTL alone. */
  announces: readonly string[] | { ttlOnly: string };
}

/** A third party whose API the domain calls. */
export interface UpstreamDeclaration {
  name: string;
  baseUrl: string;
  /** Keys of the JSON secret that holds its credentials. */
  secretKeys: readonly string[];
  /** Which of the domain's functions ask it: only these are given its credentials. */
  askedBy: readonly ('api' | 'etl')[];
  /** The budget shared by all containers. */
  requestsPerSecond: number;
}

export interface FunctionSize {
  memoryMb: number;
  timeoutSeconds: number;
  /** The heap Node may take, where that is to be less than it would: a function has its CPU by its memory. */
  heapMb: number;
}

/** A domain: one folder below `functions/`, one line in `functions/registry.ts`. */
export interface Domain {
  name: string;
  title: string;
  summary: string;
  /**
   * The kinds of entities the domain owns, each with what a fence on one hides. A kind is the part of an entity's
   * name before the first colon (`collections` of `collections:{address}`). It has one owner, so that a change in one
   * domain never fences, or fails to fence, a view of another.
   */
  entities: Readonly<Record<string, string>>;
  operations: readonly Operation[];
  events: readonly EventDeclaration[];
  jobs: readonly JobDeclaration[];
  imports: readonly ImportDeclaration[];
  tables: readonly TableDeclaration[];
  upstreams: readonly UpstreamDeclaration[];
  /** Sizes of the domain's two functions, where the defaults do not fit. */
  functions?: { api?: Partial<FunctionSize>; etl?: Partial<FunctionSize> };
}

/** The text of a template with `{name}` replaced from `values`; throws if a name has no value. */
export function expandTemplate(template: string, values: Record<string, unknown>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template ${template} needs ${name}`);
    return String(value);
  });
}

/** The view's TTL in seconds. */
export function ttlSecondsOf(view: ViewDeclaration): number {
  return typeof view.ttl === 'number' ? view.ttl : ttlTiers[view.ttl];
}
