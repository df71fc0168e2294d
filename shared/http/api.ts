import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type { Domain } from '../kernel/declaration.ts';
import { NotFound, TributaryError } from '../kernel/errors.ts';
import { correlationId, withCorrelation } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import { traced } from '../observability/trace.ts';
import { type Answer, toResult } from './answer.ts';
import type { Endpoint } from './endpoint.ts';
import { type Problem, toProblem } from './problem.ts';
import { parseInput, toRequest } from './request.ts';

/** Left of the gateway's time for getting the answer out. */
const marginMs = 500;

/**
 * The Lambda handler of a domain's HTTP operations: finds the endpoint by the route, checks the input, answers, and
 * turns what is thrown into problem+json. Every answer carries the correlation id.
 */
export function createApi(domain: Domain, endpoints: readonly Endpoint[]) {
  const byRoute = new Map(endpoints.map((endpoint) => [routeOf(endpoint), endpoint]));
  const missing = domain.operations.filter(({ method, path }) => !byRoute.has(`${method} ${path}`));
  if (missing.length > 0)
    throw new Error(`${domain.name} has no endpoint for ${missing.map((o) => o.operationId).join(', ')}`);

  return middy()
    .use({
      before: ({ event }) => {
        event.headers = lowerCaseNames(event.headers);
      },
    })
    .handler((event: APIGatewayProxyEventV2, context: Context) =>
      withCorrelation(correlationOf(event), () => handle(byRoute.get(event.routeKey), event, context)),
    );
}

async function handle(
  endpoint: Endpoint | undefined,
  event: APIGatewayProxyEventV2,
  context: Context,
): Promise<APIGatewayProxyStructuredResultV2> {
  const startedAt = performance.now();
  const operation = endpoint?.operation.operationId ?? 'unknown';
  const answer = await traced(operation, () => answerOf(endpoint, event, context)).catch(answerOfError);
  const elapsedMs = performance.now() - startedAt;
  count('RequestLatency', 'Milliseconds', elapsedMs, { operation, status: `${Math.floor(answer.status / 100)}xx` });
  log.info('request', {
    operation,
    status: answer.status,
    elapsedMs: Math.round(elapsedMs),
    cache: answer.headers['x-cache'],
  });
  answer.headers['x-correlation-id'] = correlationId();
  return toResult(answer);
}

async function answerOf(
  endpoint: Endpoint | undefined,
  event: APIGatewayProxyEventV2,
  context: Context,
): Promise<Answer> {
  if (!endpoint) throw new NotFound(`There is no ${event.routeKey}.`);
  const request = toRequest(event, new Date(Date.now() + context.getRemainingTimeInMillis() - marginMs));
  return endpoint.handle(parseInput(endpoint.operation, event, request), request);
}

function answerOfError(error: unknown): Answer {
  const { problem, headers } = toProblem(error, correlationId());
  if (problem.status >= 500 || !(error instanceof TributaryError)) log.error('a request failed', { error });
  return problemAnswer(problem, headers);
}

function problemAnswer(problem: Problem, headers: Record<string, string>): Answer {
  const all = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers };
  return { status: problem.status, headers: all, body: JSON.stringify(problem) };
}

function routeOf({ operation }: Endpoint): string {
  return `${operation.method} ${operation.path}`;
}

function correlationOf(event: APIGatewayProxyEventV2): string | undefined {
  const given = event.headers['x-correlation-id'];
  return given !== undefined && /^[\w-]{8,64}$/.test(given) ? given : undefined;
}

function lowerCaseNames(headers: Record<string, string | undefined> = {}): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
