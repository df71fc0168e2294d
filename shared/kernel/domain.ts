/**
 * What a domain declares: plain values from which routes, functions, queues, schedules, rules, alarms, the OpenAPI
 * document, and the README tables are derived. Nothing here does I/O.
 */
import type { DatasetDeclaration } from './dataset.ts';
import type { EventDeclaration } from './event.ts';
import type { FunctionDeclaration, FunctionSettings } from './function.ts';
import { importJobOf, type JobDeclaration, jobNameOf, type Lane } from './job.ts';
import { isWriting, type Operation, upstreamsOfOperation } from './operation.ts';
import type { PartitionedTable, TableDeclaration, TieredTable } from './table.ts';
import type { Upstream } from './upstream.ts';

/** A domain: one folder in `functions/`, one line in `functions/registry.ts`. */
export interface Domain {
  /** Also the name of its folder and its Postgres schema, and the prefix of its functions. */
  name: string;
  summary: string;
  /**
   * The kinds of entities that the domain owns, each with what a fence on one voids. A kind is the part of an entity's
   * name before the first colon (`collections` in `collections:{address}`). It has one owner, so that no change in one
   * domain fences, or fails to fence, a view of another.
   */
  entities: Readonly<Record<string, string>>;
  operations: Readonly<Record<string, Operation>>;
  events: Readonly<Record<string, EventDeclaration>>;
  jobs: Readonly<Record<string, JobDeclaration>>;
  datasets: Readonly<Record<string, DatasetDeclaration>>;
  /** By name, in the domain's schema. */
  tables: Readonly<Record<string, TableDeclaration>>;
  /** Settings of the function that answers its operations. */
  api?: FunctionSettings;
  /** Settings of the function that runs its jobs and imports. */
  etl?: FunctionSettings;
  /** Its other functions. */
  functions?: Readonly<Record<string, FunctionDeclaration>>;
}

/** The kind of an entity, from its name: `nfts` for `nfts:{address}:{tokenId}`. */
export function kindOf(entity: string): string {
  return entity.split(':')[0]!;
}

/** Every job of a domain, including the import job if it has datasets. */
export function jobsOf({ name, jobs, datasets }: Domain): JobDeclaration[] {
  return [...Object.values(jobs), ...(Object.keys(datasets).length > 0 ? [importJobOf(name)] : [])];
}

/** The job with this name (`collections.loadCollection`), or undefined. */
export function jobNamed(domains: readonly Domain[], name: string): JobDeclaration | undefined {
  return domains.flatMap(jobsOf).find((job) => jobNameOf(job) === name);
}

/** The lanes that a domain's jobs use. */
export function lanesOf(domain: Domain): Lane[] {
  const used = new Set(jobsOf(domain).map(({ lane }) => lane));
  return (['prompt', 'bulk'] as const).filter((lane) => used.has(lane));
}

/** The upstreams that a domain's API function calls, each once. */
export function upstreamsOfApi({ operations }: Domain): Upstream[] {
  return unique(Object.values(operations).flatMap(upstreamsOfOperation));
}

/** The upstreams that a domain's jobs call, each once. */
export function upstreamsOfEtl({ jobs }: Domain): Upstream[] {
  return unique(Object.values(jobs).flatMap(({ upstreams = [] }) => upstreams));
}

/** The partitioned tables of the given domains. */
export function partitionedTablesOf(domains: readonly Domain[]): PartitionedTable[] {
  return domains.flatMap(({ name: schema, tables }) =>
    Object.entries(tables).flatMap(([name, { partitions }]) => (partitions ? [{ schema, name, partitions }] : [])),
  );
}

/** The tiered tables of the given domains. */
export function tieredTablesOf(domains: readonly Domain[]): TieredTable[] {
  return domains.flatMap(({ name: schema, tables }) =>
    Object.entries(tables).flatMap(([name, { tiers, partitions }]) =>
      tiers && partitions ? [{ schema, name, column: partitions.column, tiers }] : [],
    ),
  );
}

/** Whether any operation of the domain writes. Only then does its API function connect as `writer`. */
export function isWritingApi({ operations }: Domain): boolean {
  return Object.values(operations).some(isWriting);
}

function unique(upstreams: readonly Upstream[]): Upstream[] {
  return [...new Map(upstreams.map((one) => [one.name, one])).values()];
}
