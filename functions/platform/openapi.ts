import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { problemType } from '../../shared/http/problem.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { type Access, type Operation, upstreamsOfOperation } from '../../shared/kernel/operation.ts';

type Json = Record<string, unknown>;

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', format: 'uri', examples: [problemType('invalid_input')] },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
    correlationId: { type: 'string' },
  },
};

const problemTitles: Record<number, string> = {
  400: 'Invalid request: `errors` names each field',
  401: 'Unauthorized',
  404: 'Not found',
  409: 'Conflicts with the current state',
  413: 'Body too large',
  429: 'Too many requests: `Retry-After` says when to retry',
  500: 'Internal error',
  502: 'Upstream failed',
  503: 'Service unavailable',
  504: 'Timed out',
};

/** The OpenAPI 3.1 document of the domains' operations, derived from their contracts. */
export function describeApi(domains: readonly Domain[]): Json {
  const schemas: Json = { Problem: problem };
  const paths: Record<string, Json> = {};
  for (const domain of domains) {
    for (const operation of Object.values(domain.operations)) {
      paths[operation.path] ??= {};
      paths[operation.path]![operation.method.toLowerCase()] = describeOperation(domain, operation, schemas);
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tributary',
      version: '1',
      description:
        'Upstream data, stored and served fresh. Errors are RFC 9457 problems.\n\n' +
        'Responses to cached reads have an ETag and say where they came from. A response marked `hit` or `miss` includes ' +
        'every announced change.\n\n' +
        '- `x-cache: hit`: from the cache, and valid.\n' +
        '- `x-cache: miss`: loaded from the database, and proven to include every announced change.\n' +
        '- `x-cache: stale`: from the cache, but expired, or not confirmed because the database is unavailable.\n' +
        '- `x-cache: bypass`: loaded from a replica while the cache is unavailable. May lack the latest changes.\n' +
        '- `x-served-by`: `cache`, `reader`, `analytics`, `writer`, `upstream`, or `archive`: what the response was read from.\n' +
        '- `x-source: live`: computed for this request, because no read model includes the latest change.\n' +
        '- `as-of`: the time of the data. The data is at least this recent.\n\n' +
        'A request can send `cache-control: no-cache` to accept neither `stale` nor `bypass` (a 503 error instead), or ' +
        '`cache-control: max-stale=SECONDS`.',
    },
    tags: domains.map(({ name, summary }) => ({ name, description: summary })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        operator: { type: 'http', scheme: 'bearer', description: "The operator's token." },
        key: { type: 'http', scheme: 'bearer', description: 'The key of an owner, issued by the operator.' },
      },
    },
  };
}

/** The security scheme of each access that has one. */
const securityOf: Partial<Record<Access, string>> = { admin: 'operator', key: 'key' };

function describeOperation(domain: Domain, operation: Operation, schemas: Json): Json {
  const description = [operation.description, operation.cache?.staleness].filter(Boolean).join(' ');
  const asksUpstream = upstreamsOfOperation(operation).length > 0;
  const problems = [400, ...operation.problems, 500, ...(asksUpstream ? [502] : []), 503, 504];
  return {
    operationId: operation.operationId,
    tags: [domain.name],
    summary: operation.summary,
    ...(description ? { description } : {}),
    ...(operation.access in securityOf ? { security: [{ [securityOf[operation.access]!]: [] }] } : {}),
    parameters: [
      ...parametersOf('path', operation.pathParameters, schemas),
      ...parametersOf('query', operation.query, schemas),
    ],
    ...(operation.body ? { requestBody: describeBody(operation, schemas) } : {}),
    responses: {
      [operation.status]: describeResponse(operation, schemas),
      ...(operation.cache ? { 304: { description: 'Not modified.' } } : {}),
      ...Object.fromEntries(problems.map((status) => [status, describeProblem(status)])),
    },
  };
}

function describeBody(operation: Operation, schemas: Json): Json {
  return { content: { 'application/json': { schema: toJsonSchema(operation.body!, schemas) } } };
}

function describeResponse(operation: Operation, schemas: Json): Json {
  const headers: Json = { 'x-correlation-id': { schema: { type: 'string' } } };
  if (operation.cache) {
    headers['x-cache'] = {
      schema: { enum: ['hit', 'stale', 'miss', 'bypass'] },
      description: 'Where the response came from. Only a `bypass` response may lack announced changes.',
    };
    headers['x-served-by'] = {
      schema: { type: 'string' },
      description:
        'What it was read from: `cache`, `reader`, `analytics`, `writer`, `upstream`, `archive`, or several of them.',
    };
    headers.etag = { schema: { type: 'string' }, description: 'Identifies the content, compressed or not.' };
    headers['x-source'] = {
      schema: { const: 'live' },
      description: 'Computed for this request, because no read model includes the latest change.',
    };
    headers['as-of'] = {
      schema: { type: 'string', format: 'date-time' },
      description: 'The time of the data, or the time up to which the host that loaded it had seen every change.',
    };
    headers.age = { schema: { type: 'integer' }, description: 'Seconds since the response was loaded.' };
  }
  const content = {
    [operation.contentType]: { schema: toJsonSchema(operation.response, schemas) },
  };
  return { description: operation.summary, headers, ...(operation.status === 204 ? {} : { content }) };
}

function describeProblem(status: number): Json {
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  return { description: problemTitles[status], content };
}

function parametersOf(place: 'path' | 'query', object: z.ZodObject, schemas: Json): Json[] {
  const {
    properties = {},
    required = [],
    additionalProperties,
  } = toJsonSchema(object, schemas) as {
    properties?: Record<string, Json>;
    required?: string[];
    additionalProperties?: unknown;
  };
  const named = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || (required.includes(name) && schema.default === undefined),
    schema,
  }));
  if (!additionalProperties) return named;
  const free = { type: 'object', additionalProperties };
  return [...named, { name: 'filters', in: place, style: 'form', explode: true, schema: free }];
}

function toJsonSchema(schema: z.ZodType, schemas: Json): Json {
  const { $schema, $defs, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json & {
    $defs?: Json;
  };
  for (const [name, definition] of Object.entries($defs ?? {})) {
    const linked = relink(definition);
    if (schemas[name] !== undefined && !isDeepStrictEqual(schemas[name], linked))
      throw new Error(`Two schemas have the id ${name}. Rename one of them.`);
    schemas[name] = linked;
  }
  return relink(rest) as Json;
}

/** Rewrites references to OpenAPI's form, and removes the keywords that only a standalone JSON Schema may have. */
function relink(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relink);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, inner]) => key !== '$id' && !(key === 'id' && typeof inner === 'string'),
  );
  return Object.fromEntries(
    entries.map(([key, inner]) => [
      key,
      key === '$ref' ? String(inner).replace('#/$defs/', '#/components/schemas/') : relink(inner),
    ]),
  );
}
