import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type * as z from 'zod';
import { type FieldProblem, InvalidInput } from '../kernel/errors.ts';
import type { Operation, OperationInput } from '../kernel/operation.ts';
import { BodyTooLarge } from './problem.ts';

const maxBodyBytes = 1_048_576;

/** What a handler may need from the request besides its parsed input. */
export interface Request {
  /** Lower-case names. */
  headers: Record<string, string | undefined>;
  /** The body as received, for signatures over it. */
  rawBody: Buffer;
  /** The client's IP address, as seen by the gateway. */
  clientIp: string;
  /** When the response is due. */
  deadline: Date;
  /** The id of the caller's key, if the operation's access is `key`. */
  keyId?: string;
}

/** The event's request, with its body decoded. @throws BodyTooLarge  the body exceeds 1 MiB */
export function toRequest(event: APIGatewayProxyEventV2, deadline: Date): Request {
  const rawBody = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8');
  if (rawBody.length > maxBodyBytes) {
    throw new BodyTooLarge(`The body exceeds the limit of ${maxBodyBytes} bytes.`, [
      { field: 'body', message: 'is too large' },
    ]);
  }
  return { headers: event.headers, rawBody, clientIp: event.requestContext.http.sourceIp, deadline };
}

/**
 * The operation's input, with each part checked against the contract.
 *
 * @throws InvalidInput  lists every field that is invalid, missing, repeated, or unknown
 */
export function parseInput<O extends Operation>(
  operation: O,
  event: Pick<APIGatewayProxyEventV2, 'pathParameters' | 'rawQueryString'>,
  request: Pick<Request, 'rawBody'>,
): OperationInput<O> {
  const problems: FieldProblem[] = [];
  const part = <T>(name: string, schema: z.ZodType<T>, value: unknown): T | undefined => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    problems.push(...result.error.issues.flatMap((issue) => fieldProblems(name, issue, schema)));
    return undefined;
  };
  const path = part('path', operation.pathParameters, event.pathParameters ?? {});
  const query = part('query', operation.query, parseQuery(operation.query, event.rawQueryString, problems));
  const body = operation.body ? part('body', operation.body, parseBody(request.rawBody, problems)) : undefined;
  if (problems.length > 0) {
    throw new InvalidInput(`${problems[0]!.field} ${problems[0]!.message}.`, problems);
  }
  return { path, query, body } as OperationInput<O>;
}

function fieldProblems(part: string, issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const allowed = issue.path.length === 0 ? Object.keys((schema as z.ZodObject).shape ?? {}) : [];
    const hint = allowed.length > 0 ? `; allowed: ${allowed.join(', ')}` : '';
    return issue.keys.map((key) => ({ field: `${part}.${key}`, message: `is unknown${hint}` }));
  }
  return [{ field: [part, ...issue.path].join('.'), message: issue.message }];
}

/** Parameters listed in the contract take one value. Those allowed only by its catchall (`trait.…`) become arrays. */
function parseQuery(
  schema: z.ZodObject,
  rawQuery: string,
  problems: FieldProblem[],
): Record<string, string | string[]> {
  const values: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    if (!Object.hasOwn(schema.shape, name)) {
      const previous = (values[name] ?? []) as string[];
      values[name] = [...previous, value];
    } else if (values[name] === undefined) {
      values[name] = value;
    } else {
      problems.push({ field: `query.${name}`, message: 'appears more than once' });
    }
  }
  return values;
}

function parseBody(rawBody: Buffer, problems: FieldProblem[]): unknown {
  if (rawBody.length === 0) return undefined;
  try {
    return JSON.parse(rawBody.toString('utf8'));
  } catch {
    problems.push({ field: 'body', message: 'is not JSON' });
    return undefined;
  }
}
