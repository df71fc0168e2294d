import { createHash } from 'node:crypto';
import type { Sql } from 'sql-template-tag';
import * as z from 'zod';
import { type Archived, type ArchivedRange, withoutFiles } from '../archive/archived.ts';
import type { CachedView, Loaded, Source } from '../cache/view.ts';
import { readProvably } from '../db/read.ts';
import type { Operation, OperationInput, OperationResponse } from '../kernel/operation.ts';
import { entityTemplatesOf, expandTemplate, ttlSecondsOf, type View } from '../kernel/view.ts';
import { count } from '../observability/metrics.ts';
import { type Server, withServers } from '../observability/servers.ts';
import { getCache } from '../resources.ts';
import { type Answer, cachedAnswer, jsonAnswer } from './answer.ts';
import { problemType } from './problem.ts';
import type { Request } from './request.ts';

/** An operation and what answers it. */
export interface Endpoint<Id extends string = string> {
  operation: Operation<Id>;
  handle(input: OperationInput<Operation>, request: Request): Promise<Answer>;
  /** The statement of a read whose source is one. */
  statement?(input: OperationInput<Operation>): Sql;
}

/** The single row of a read: the answer as JSON text, and the time of the data if it has one. */
export interface BodyRow {
  body: string;
  as_of?: Date | null;
  /** Computed for this request because no read model covers the latest change: the answer has `x-source: live`. */
  live?: boolean | null;
  /** It exists, but was never fetched from the upstream. */
  incomplete?: boolean;
}

/** How a read is answered from the database. */
export interface StatementReading<O extends Operation> {
  /**
   * The ranges of tiered tables that it reads, at most one of each table. Months of them that are no longer in Postgres are
   * read from their files first, and passed to the statement.
   */
  archived?(input: OperationInput<O>): readonly ArchivedRange[];
  /**
   * Returns the answer as one row of JSON text, or no row if nothing was found. Its text must not depend on the rows of
   * `archived`: it identifies the code of the cached view.
   */
  statement(input: OperationInput<O>, archived: Archived): Sql;
  /** Fetches what is missing or incomplete from the upstream. True if the statement should run again. */
  fetchMissing?(input: OperationInput<O>, request: Request): Promise<boolean>;
  /** Called with every answer before it is sent. */
  onServed?(input: OperationInput<O>): Promise<void>;
}

/** How a read is answered from its upstream. */
export interface UpstreamReading<O extends Operation> {
  /** The answer, or undefined if the upstream has nothing. */
  fetch(input: OperationInput<O>): Promise<OperationResponse<O> | undefined>;
}

type Reading<O extends Operation> = O extends { source: 'statement' } ? StatementReading<O> : UpstreamReading<O>;

/**
 * A cached read. On a miss it loads from its source: one statement on a replica (on the primary if the replica cannot
 * prove that it shows the latest change), or a call to its upstream. Cached bytes are sent as they are.
 */
export function read<O extends Operation>(operation: O, reading: Reading<O>): Endpoint<O['operationId']> {
  const view = operation.cache;
  if (!view) throw new Error(`${operation.operationId} declares no cached view.`);
  const found = reading as StatementReading<O> | UpstreamReading<O>;
  return 'statement' in found ? readStatement(operation, view, found) : readUpstream(operation, view, found);
}

function readStatement<O extends Operation>(
  operation: O,
  view: View,
  reading: StatementReading<O>,
): Endpoint<O['operationId']> {
  return {
    operation,
    statement: (input) => statementWithoutFiles(reading, input as OperationInput<O>),
    async handle(anyInput, request) {
      const input = anyInput as OperationInput<O>;
      const statement = statementWithoutFiles(reading, input);
      const answer = await readThrough(
        operation,
        viewOf(operation, view, anyInput, statement.text),
        request,
        (source) => loadBody(operation, reading, input, request, source),
      );
      await reading.onServed?.(input);
      return answer;
    },
  };
}

function statementWithoutFiles<O extends Operation>(reading: StatementReading<O>, input: OperationInput<O>): Sql {
  return reading.statement(input, withoutFiles(reading.archived?.(input) ?? []));
}

function readUpstream<O extends Operation>(
  operation: O,
  view: View,
  reading: UpstreamReading<O>,
): Endpoint<O['operationId']> {
  return {
    operation,
    handle: (input, request) =>
      readThrough(operation, viewOf(operation, view, input), request, async () => {
        const value = await reading.fetch(input as OperationInput<O>);
        // nothing to prove: an upstream's answer has no snapshot
        const evidence = undefined;
        const servedBy = ['upstream'] as const;
        if (value === undefined) return { evidence, status: 404, body: notFoundBody(operation), servedBy };
        return { evidence, status: 200, body: JSON.stringify(value), asOf: new Date(), servedBy };
      }),
  };
}

async function readThrough(
  { operationId }: Operation,
  view: CachedView,
  request: Request,
  load: (source: Source) => Promise<Loaded>,
): Promise<Answer> {
  const served = await (await getCache()).read(view, load, {
    maxStaleSeconds: maxStaleOf(request),
    mustBeFenced: /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(request.headers['cache-control'] ?? ''),
  });
  count('CacheReads', 'Count', 1, { operation: operationId, outcome: served.outcome });
  return cachedAnswer(served, request.headers);
}

/** An uncached operation: a write, or a read that must not be cached. */
export function respond<O extends Operation>(
  operation: O,
  handle: (input: OperationInput<O>, request: Request) => Promise<OperationResponse<O>>,
): Endpoint<O['operationId']> {
  return {
    operation,
    async handle(input, request) {
      const { result, servers } = await withServers(() => handle(input as OperationInput<O>, request));
      return jsonAnswer(operation.status, result, {
        'cache-control': 'no-store',
        ...(servers.length > 0 ? { 'x-served-by': servers.join(', ') } : {}),
      });
    },
  };
}

/**
 * A read that is not cached, such as one whose parameters are in a body. One statement on a replica that lags no more than
 * reads allow.
 */
export function readUncached<O extends Operation>(
  operation: O,
  reading: Pick<StatementReading<O>, 'archived' | 'statement'>,
): Endpoint<O['operationId']> {
  return {
    operation,
    statement: (input) => statementWithoutFiles(reading, input as OperationInput<O>),
    async handle(input, request) {
      const source: Source = { host: 'replica' };
      const loaded = await loadBody(operation, reading, input as OperationInput<O>, request, source);
      const { status, body, asOf, servedBy = [] } = loaded;
      return {
        status,
        headers: {
          'content-type': status === 404 ? 'application/problem+json' : 'application/json',
          'cache-control': 'no-store',
          'x-served-by': servedBy.join(', '),
          ...(asOf ? { 'as-of': asOf.toISOString() } : {}),
        },
        body: String(body),
      };
    },
  };
}

/** The cached view for a request: its entities, and a field that identifies the operation, the query, and the code. */
export function viewOf(
  operation: Operation,
  view: View,
  input: { path: unknown; query: unknown },
  statement = '',
): CachedView {
  const [entity, ...dependsOn] = entitiesOf(view, input.path);
  return {
    entity: entity!,
    field: `${fieldPrefix(operation, input.query)}${codeHashOf(operation, statement)}`,
    dependsOn,
    ttlSeconds: ttlSecondsOf(view),
    isFenced: view.kind !== 'ttlOnly',
    ...(view.graceSeconds === undefined ? {} : { graceSeconds: view.graceSeconds }),
  };
}

/** The entity that a view is stored under, then those it depends on, for a request's path parameters. */
export function entitiesOf(view: View, path: unknown): string[] {
  return entityTemplatesOf(view).map((template) => expandTemplate(template, path as Record<string, unknown>));
}

/** A view's field up to the hash of its code: the operation and its query in canonical order. */
export function fieldPrefix({ operationId }: Operation, query: unknown): string {
  return `${operationId}${canonicalQuery(query as Record<string, unknown>)}~`;
}

const codeHashes = new Map<string, string>();

/** A hash of the statement and the contract, so that a deployment never serves an answer from older code. */
function codeHashOf({ operationId, response }: Operation, statement: string): string {
  const key = `${operationId}\n${statement}`;
  let hash = codeHashes.get(key);
  if (hash === undefined) {
    const contract = JSON.stringify(z.toJSONSchema(response, { unrepresentable: 'any', io: 'input' }));
    hash = createHash('sha256').update(key).update(contract).digest('base64url').slice(0, 8);
    codeHashes.set(key, hash);
  }
  return hash;
}

function canonicalQuery(query: Record<string, unknown>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) =>
      Array.isArray(value) ? [...value].sort().map((one) => [name, one]) : [[name, String(value)]],
    )
    .sort(([a], [b]) => (a! < b! ? -1 : 1)) as [string, string][];
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

async function loadBody<O extends Operation>(
  operation: O,
  reading: StatementReading<O>,
  input: OperationInput<O>,
  request: Request,
  source: Source,
): Promise<Loaded> {
  const ranges = reading.archived?.(input) ?? [];
  const { archived, areFilesRead } = await archivedFor(ranges, source, operation.workload);
  const statement = reading.statement(input, archived);
  const isMissingOrIncomplete = ([row]: BodyRow[]) =>
    reading.fetchMissing !== undefined && (row === undefined || row.incomplete === true);
  const { workload } = operation;
  const readPrimary = () => readProvably<BodyRow>(statement, { host: 'writer' }, workload);
  let result = await readProvably<BodyRow>(statement, source, workload);
  // a replica may lack what was already committed
  if (isMissingOrIncomplete(result.rows) && source.host === 'replica') result = await readPrimary();
  if (isMissingOrIncomplete(result.rows)) {
    const isMissing = result.rows.length === 0;
    const fetched = await reading.fetchMissing!(input, request).catch((error: unknown) => {
      // an incomplete answer is better than none
      if (isMissing) throw error;
      return false;
    });
    if (fetched) result = await readPrimary();
  }
  const { evidence, asOf, server } = result;
  const servedBy: Server[] = areFilesRead ? [server, 'archive'] : [server];
  const [row] = result.rows;
  if (!row) return { evidence, status: 404, body: notFoundBody(operation), asOf, servedBy };
  return { evidence, status: 200, body: row.body, asOf: row.as_of ?? asOf, live: row.live ?? false, servedBy };
}

/** What reads files is loaded by the reads that need it. */
async function archivedFor(ranges: readonly ArchivedRange[], source: Source, workload: Operation['workload']) {
  if (ranges.length === 0) return { archived: withoutFiles(ranges), areFilesRead: false };
  const { readArchived } = await import('../archive/read.ts');
  return readArchived(ranges, source, workload);
}

/** The same bytes for every client, without a correlation id, so that "not found" can be cached. */
function notFoundBody(operation: Operation): string {
  const detail = `${operation.operationId} found nothing for these parameters.`;
  return JSON.stringify({ type: problemType('not_found'), title: 'Not found', status: 404, detail });
}

function maxStaleOf(request: Request): number {
  return Number(/(?:^|[\s,])max-stale=(\d{1,6})/i.exec(request.headers['cache-control'] ?? '')?.[1] ?? 0);
}
