import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { correlationId } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import type { HttpEvent } from './event.ts';

/** Logs each request, records its latency, and adds the correlation id to the response. */
export function logRequest(
  operationOf: (event: HttpEvent) => string | undefined,
): MiddlewareObj<HttpEvent, APIGatewayProxyStructuredResultV2, Error, Context, { startedAt: number }> {
  const finish: NonNullable<ReturnType<typeof logRequest>['after']> = ({ event, response, internal }) => {
    const operation = operationOf(event) ?? 'unknown';
    const { statusCode: status = 500, headers = {} } = response!;
    const elapsedMs = performance.now() - internal.startedAt;
    count('RequestLatency', 'Milliseconds', elapsedMs, { operation, status: `${Math.floor(status / 100)}xx` });
    log.info('request completed', { operation, status, elapsedMs: Math.round(elapsedMs), cache: headers['x-cache'] });
    response!.headers = { ...headers, 'x-correlation-id': correlationId() };
  };
  return {
    before: ({ internal }) => {
      internal.startedAt = performance.now();
    },
    after: finish,
    onError: finish,
  };
}
