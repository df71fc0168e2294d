import httpHeaderNormalizer from '@middy/http-header-normalizer';
import type { APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type { Domain } from '../kernel/domain.ts';
import { NotFound } from '../kernel/errors.ts';
import { earlyEndMs, invocation } from '../lambda/invocation.ts';
import { traced } from '../observability/trace.ts';
import { toResult } from './answer.ts';
import { authorize } from './authorize.ts';
import type { Endpoint } from './endpoint.ts';
import type { HttpEvent } from './event.ts';
import { keyIdOf } from './keys.ts';
import { respondWithProblems } from './problem.ts';
import { parseInput, toRequest } from './request.ts';
import { logRequest } from './request-log.ts';

/** An endpoint for each operation that a domain declares. */
export type Endpoints<D extends Domain> = {
  readonly [Id in keyof D['operations'] & string]: Endpoint<Id>;
};

/**
 * The Lambda handler of a domain's HTTP operations: normalizes headers, finds the endpoint by route, authorizes the
 * operator or the owner of a key, parses the input, and turns errors into problem+json.
 */
export function createApi<D extends Domain>(domain: D, endpoints: Endpoints<D>) {
  const byRoute = new Map(
    Object.values<Endpoint>(endpoints).map((endpoint) => [
      `${endpoint.operation.method} ${endpoint.operation.path}`,
      endpoint,
    ]),
  );
  const endpointOf = ({ routeKey }: HttpEvent): Endpoint => {
    const endpoint = byRoute.get(routeKey);
    if (!endpoint) throw new NotFound(`${domain.name} has no route ${routeKey}.`);
    return endpoint;
  };
  return invocation<HttpEvent, APIGatewayProxyStructuredResultV2>(correlationOf)
    .use(httpHeaderNormalizer())
    .use(logRequest(({ routeKey }) => byRoute.get(routeKey)?.operation.operationId))
    .use(respondWithProblems())
    .use(authorize((event) => endpointOf(event).operation.access))
    .handler((event, context) => {
      const endpoint = endpointOf(event);
      return traced(endpoint.operation.operationId, () => answer(endpoint, event, context));
    });
}

async function answer(
  endpoint: Endpoint,
  event: HttpEvent,
  context: Context,
): Promise<APIGatewayProxyStructuredResultV2> {
  const request = toRequest(event, new Date(Date.now() + context.getRemainingTimeInMillis() - earlyEndMs));
  if (endpoint.operation.access === 'key') request.keyId = await keyIdOf(request.headers.authorization);
  return toResult(await endpoint.handle(parseInput(endpoint.operation, event, request), request));
}

/** The client's correlation id, if it is well-formed. Runs before the headers are normalized. */
function correlationOf({ headers }: HttpEvent): string | undefined {
  const given = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'x-correlation-id')?.[1];
  return given !== undefined && /^[\w-]{8,64}$/.test(given) ? given : undefined;
}
