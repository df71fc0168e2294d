import * as z from 'zod';
import type { Upstream } from './upstream.ts';
import type { TtlView, View } from './view.ts';

/**
 * `admin` needs the operator's bearer token; `key` the bearer token of an owner, whose key's id the handler gets; `signed`
 * checks a signature over the raw body itself.
 */
export type Access = 'public' | 'admin' | 'key' | 'signed';

/** The role that the authorizer assigns to requests with the operator's token. */
export const operator = 'operator';

/** What a read is for: `analytics` runs on the reader reserved for long queries. */
export type ReadWorkload = 'api' | 'analytics';

/** Where an answer comes from: a SQL statement or an upstream's API. */
export type AnswerSource = 'statement' | Upstream;

/** An operation as written in a contract. Its key is the operationId; omitted fields have defaults. */
interface OperationSpec {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  summary: string;
  description?: string;
  /** Default `public`. */
  access?: Access;
  /** Default: none. */
  pathParameters?: z.ZodObject;
  /** Default: none. Unknown parameters are an error. */
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Default 200. */
  status?: 200 | 202 | 204;
  response: z.ZodType;
  /** Errors, besides 400 and 5xx, that a client must handle. */
  problems?: readonly (401 | 404 | 409 | 413 | 429)[];
  /** The media type of the answer. Default `application/json`. */
  contentType?: string;
  /** Default `api`. */
  workload?: ReadWorkload;
  /** Upstreams that it may call in addition to its source: for a first read, or to check a signature. */
  upstreams?: readonly Upstream[];
}

type Sourced = { source?: 'statement'; cache?: View } | { source: Upstream; cache: TtlView };

const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** An HTTP operation: its input, its output, where its answer comes from, and where that is cached. */
export interface Operation<
  Id extends string = string,
  Path extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType | undefined = z.ZodType | undefined,
  Response extends z.ZodType = z.ZodType,
  Source extends AnswerSource = AnswerSource,
> {
  operationId: Id;
  method: OperationSpec['method'];
  path: string;
  summary: string;
  description?: string;
  access: Access;
  pathParameters: Path;
  query: Query;
  body: Body;
  status: 200 | 202 | 204;
  response: Response;
  problems: NonNullable<OperationSpec['problems']>;
  cache?: View;
  contentType: string;
  workload: ReadWorkload;
  source: Source;
  upstreams: readonly Upstream[];
}

type OperationOf<Id extends string, Spec extends OperationSpec & Sourced> = Operation<
  Id,
  Spec extends { pathParameters: infer Path extends z.ZodObject } ? Path : Nothing,
  Spec extends { query: infer Query extends z.ZodObject } ? Query : Nothing,
  Spec extends { body: infer Body extends z.ZodType } ? Body : undefined,
  Spec['response'],
  Spec extends { source: infer Source extends Upstream } ? Source : 'statement'
>;

/** Declares the operations of a domain, keyed by operationId. */
export function defineOperations<const Specs extends Record<string, OperationSpec & Sourced>>(
  specs: Specs,
): { readonly [Id in keyof Specs & string]: OperationOf<Id, Specs[Id]> } {
  const operations = Object.entries(specs).map(([operationId, spec]) => [
    operationId,
    {
      access: 'public',
      pathParameters: nothing,
      query: nothing,
      body: undefined,
      status: 200,
      problems: [],
      contentType: 'application/json',
      workload: 'api',
      source: 'statement',
      upstreams: [],
      ...spec,
      operationId,
    },
  ]);
  return Object.fromEntries(operations);
}

/** The parsed and normalized input of an operation's handler. */
export interface OperationInput<O extends Operation> {
  path: z.output<O['pathParameters']>;
  query: z.output<O['query']>;
  body: O['body'] extends z.ZodType ? z.output<O['body']> : undefined;
}

export type OperationResponse<O extends Operation> = z.input<O['response']>;

/** Whether the operation may write. A GET writes only to record what it fetched from an upstream. */
export function isWriting({ method, source, upstreams }: Operation): boolean {
  return method !== 'GET' || (source === 'statement' && upstreams.length > 0);
}

/** Every upstream that an operation calls. */
export function upstreamsOfOperation({ source, upstreams }: Operation): Upstream[] {
  return source === 'statement' ? [...upstreams] : [source, ...upstreams];
}
