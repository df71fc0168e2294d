/** Calls an API function as API Gateway would, and validates every response against the OpenAPI document. */

import { gunzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { describeApi } from '../../functions/platform/openapi.ts';
import { domains } from '../../functions/registry.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { type Operation, operator } from '../../shared/kernel/operation.ts';

type Handler = (event: APIGatewayProxyEventV2, context: Context) => Promise<unknown>;

export interface Call {
  method?: string;
  body?: unknown;
  rawBody?: Buffer | string;
  headers?: Record<string, string>;
  clientIp?: string;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the body was validated against the OpenAPI document
  json: any;
}

/** Returns a function that calls one domain's API: `call('/v1/collections/0x…?sort=name')`. */
export function createCaller(domain: Domain, handler: Handler): (target: string, call?: Call) => Promise<Reply> {
  return async (target, call = {}) => {
    const event = toEvent(domain, target, call);
    const result = (await handler(event, context())) as APIGatewayProxyStructuredResultV2;
    const reply = toReply(result);
    const operation = Object.values(domain.operations).find((one) => `${one.method} ${one.path}` === event.routeKey);
    if (operation) assertDescribed(operation, reply);
    return reply;
  };
}

const document = describeApi(domains);
const ajv = new Ajv2020({ strict: false, allErrors: true });
(formats as unknown as { default: (on: Ajv2020) => void }).default(ajv);
ajv.addSchema({ ...document, $id: 'openapi' });

function assertDescribed(operation: Operation, reply: Reply): void {
  const path = operation.path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
  const responses = (
    document.paths as Record<string, Record<string, { responses: Record<string, { content?: object }> }>>
  )[operation.path]![operation.method.toLowerCase()]!.responses;
  const described = responses[String(reply.status)];
  if (!described)
    throw new Error(`${operation.operationId} returned the undocumented status ${reply.status}: ${reply.text}`);
  if (!described.content) return;
  const mediaType = Object.keys(described.content)[0]!;
  if (!mediaType.includes('json')) return;
  const sent = reply.headers['content-type'];
  if (sent !== mediaType) throw new Error(`${operation.operationId} returned ${sent} instead of ${mediaType}`);
  const pointer = `openapi#/paths/${path}/${operation.method.toLowerCase()}/responses/${reply.status}/content/${mediaType.replace('/', '~1')}/schema`;
  const validate = ajv.getSchema(pointer);
  if (!validate) throw new Error(`the OpenAPI document has no ${pointer}`);
  if (!validate(reply.json))
    throw new Error(`${operation.operationId}: ${ajv.errorsText(validate.errors)}\n${reply.text.slice(0, 500)}`);
}

function toEvent(domain: Domain, target: string, call: Call): APIGatewayProxyEventV2 {
  const [rawPath = '', rawQueryString = ''] = target.split('?');
  const method = call.method ?? 'GET';
  const match = matchRoute(domain, method, rawPath);
  const body = call.rawBody ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
  return {
    version: '2.0',
    routeKey: match ? `${method} ${match.operation.path}` : `${method} ${rawPath}`,
    rawPath,
    rawQueryString,
    headers: { 'content-type': 'application/json', ...call.headers },
    requestContext: {
      http: { method, path: rawPath, sourceIp: call.clientIp ?? '127.0.0.1' },
      // what the authorizer of admin routes returns
      ...(match?.operation.access === 'admin' ? { authorizer: { lambda: { role: operator } } } : {}),
    },
    pathParameters: match?.parameters ?? {},
    isBase64Encoded: Buffer.isBuffer(body),
    ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body.toString('base64') : body }),
  } as unknown as APIGatewayProxyEventV2;
}

function matchRoute(domain: Domain, method: string, path: string) {
  for (const operation of Object.values(domain.operations)) {
    if (operation.method !== method) continue;
    const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
    const values = new RegExp(`^${operation.path.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(path);
    if (!values) continue;
    const parameters = Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(values[i + 1]!)]));
    return { operation, parameters };
  }
  return undefined;
}

function toReply(result: APIGatewayProxyStructuredResultV2): Reply {
  const headers = (result.headers ?? {}) as Record<string, string>;
  const bytes = Buffer.from(result.body ?? '', result.isBase64Encoded ? 'base64' : 'utf8');
  const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
  const json = headers['content-type']?.includes('json') && text !== '' ? JSON.parse(text) : undefined;
  return { status: result.statusCode ?? 200, headers, text, json };
}

function context(): Context {
  return { functionName: 'test', awsRequestId: 'test', getRemainingTimeInMillis: () => 30_000 } as unknown as Context;
}
