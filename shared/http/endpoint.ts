import { createHash } from 'node:crypto';
import type { Sql } from 'sql-template-tag';
import * as z from 'zod';
import type { CachedView, Loaded, Source } from '../cache/view.ts';
import { readProvably } from '../db/read.ts';
import {
  expandTemplate,
  type Operation,
  type OperationInput,
  type OperationResponse,
  ttlSecondsOf,
  type ViewDeclaration,
} from '../kernel/declaration.ts';
import { count } from '../observability/metrics.ts';
import { getCache } from '../resources.ts';
import { type Answer, cachedAnswer, jsonAnswer } from './answer.ts';
import { problemType } from './problem.ts';
import type { Request } from './request.ts';

/** An operation with what answers it. */
export interface Endpoint {
  operation: Operation;
  handle(input: OperationInput<Operation>, request: Request): Promise<Answer>;
  /** The statement of a cached read, for those who look at its plan. */
  statement?(input: OperationInput<Operation>): Sql;
}

/** The one row of a read: the answer's JSON as text, and the data's own time where it has one. */
export interface BodyRow {
  body: string;
  as_of?: Date | null;
  /** It was computed on the spot, as no snapshot of it stood: the answer says `x-source: live`. */
  live?: boolean | null;
  /** There is something, but its source has not been asked yet. */
  incomplete?: boolean;
}

/** How a cached read is answered, beside its contract. */
export interface Reading<O extends Operation> {
  /** The statement that gives the answer as one row of JSON text, or no row where there is nothing. */
  load(input: OperationInput<O>): Sql;
  /** Told when there is nothing, or not all: may fetch it from upstream; true if it is worth looking again. */
  fetch?(input: OperationInput<O>, request: Request): Promise<boolean>;
  /** Told of every answer, before it goes out. */
  served?(input: OperationInput<O>): Promise<void>;
}

/**
 * A cached read. Its contract says where the answer lives; `load` says what it is. In order: cache; on a miss one
 * statement on a replica, or on the writer where the replica cannot prove that it shows the last change; the bytes as
 * they are.
 */
export function read<O extends Operation>(operation: O, reading: Reading<O>): Endpoint {
  const declared = operation.cache;
  if (!declared) throw new Error(`${operation.operationId} declares no cached view`);
  return {
    operation,
    statement: (input) => reading.load(input as OperationInput<O>),
    async handle(anyInput, request) {
      const input = anyInput as OperationInput<O>;
      const statement = reading.load(input);
      const load = (source: Source) => loadBody(operation, reading, statement, input, request, source);
      const served = await (await getCache()).read(viewOf(operation, statement, anyInput), load, {
        maxStaleSeconds: maxStaleOf(request),
        mustBeFenced: /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(request.headers['cache-control'] ?? ''),
      });
      count('CacheReads', 'Count', 1, { operation: operation.operationId, outcome: served.outcome });
      await reading.served?.(input);
      return cachedAnswer(served, request.headers);
    },
  };
}

/** An operation that is answered anew each time: a write, or a read of what must not be cached. */
export function respond<O extends Operation>(
  operation: O,
  handle: (input: OperationInput<O>, request: Request) => Promise<OperationResponse<O>>,
): Endpoint {
  return {
    operation,
    async handle(input, request) {
      const value = await handle(input as OperationInput<O>, request);
      return jsonAnswer(operation.status, value, { 'cache-control': 'no-store' });
    },
  };
}

/** The cached view of one request: the declaration's templates filled in, in a field that names the code behind it. */
export function viewOf(operation: Operation, statement: Sql, input: { path: unknown; query: unknown }): CachedView {
  const declared = operation.cache!;
  const [entity, ...dependsOn] = entitiesOf(declared, input.path);
  return {
    entity: entity!,
    field: `${fieldPrefix(operation, input.query)}${codeOf(operation, statement.text)}`,
    dependsOn,
    ttlSeconds: ttlSecondsOf(declared),
    isFenced: declared.kind === undefined || declared.kind === 'fenced',
    ...(declared.graceSeconds === undefined ? {} : { graceSeconds: declared.graceSeconds }),
  };
}

/** The entity that a view lives with, and those it depends on, for one request's path parameters. */
export function entitiesOf({ entity, dependsOn = [] }: ViewDeclaration, path: unknown): string[] {
  return [entity, ...dependsOn].map((template) => expandTemplate(template, path as Record<string, unknown>));
}

/** A view's field up to the hash of its code: the operation, and its query in a canonical order. */
export function fieldPrefix({ operationId }: Operation, query: unknown): string {
  return `${operationId}${canonicalQuery(query as Record<string, unknown>)}~`;
}

const codes = new Map<string, string>();

/** A hash of the statement and the contract, so that a deployment never serves an answer of the code before it. */
function codeOf({ operationId, response }: Operation, statement: string): string {
  const key = `${operationId}\n${statement}`;
  let code = codes.get(key);
  if (code === undefined) {
    const contract = JSON.stringify(z.toJSONSchema(response, { unrepresentable: 'any', io: 'input' }));
    code = createHash('sha256').update(key).update(contract).digest('base64url').slice(0, 8);
    codes.set(key, code);
  }
  return code;
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
  reading: Reading<O>,
  statement: Sql,
  input: OperationInput<O>,
  request: Request,
  source: Source,
): Promise<Loaded> {
  const needsFetch = ([row]: BodyRow[]) =>
    reading.fetch !== undefined && (row === undefined || row.incomplete === true);
  let found = await readProvably<BodyRow>(statement, source);
  // what a replica lacks may have been committed already
  if (needsFetch(found.rows) && source.host === 'replica')
    found = await readProvably<BodyRow>(statement, { host: 'writer' });
  if (needsFetch(found.rows)) {
    const isMissing = found.rows.length === 0;
    const fetched = await reading.fetch!(input, request).catch((error: unknown) => {
      // what there is will do
      if (isMissing) throw error;
      return false;
    });
    if (fetched) found = await readProvably<BodyRow>(statement, { host: 'writer' });
  }
  const { evidence, asOf } = found;
  const [row] = found.rows;
  if (!row) return { evidence, status: 404, body: notFoundBody(operation), asOf };
  return { evidence, status: 200, body: row.body, asOf: row.as_of ?? asOf, live: row.live ?? false };
}

/** The same bytes for everybody, so that "not found" can be kept: it carries no correlation id. */
function notFoundBody(operation: Operation): string {
  const detail = `${operation.operationId}: there is nothing by that name.`;
  return JSON.stringify({ type: problemType('not_found'), title: 'Not found', status: 404, detail });
}

function maxStaleOf(request: Request): number {
  return Number(/(?:^|[\s,])max-stale=(\d{1,6})/i.exec(request.headers['cache-control'] ?? '')?.[1] ?? 0);
}
