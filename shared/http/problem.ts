import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type ErrorCode, InvalidInput, RateLimited, TributaryError } from '../kernel/errors.ts';
import { correlationId } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import type { HttpEvent } from './event.ts';

/** An RFC 9457 problem, with the invalid fields and the correlation id for finding it in the logs. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: { field: string; message: string }[];
  correlationId: string;
}

/** The request body exceeds the size limit. */
export class BodyTooLarge extends InvalidInput {}

const known: Record<ErrorCode, { status: number; title: string }> = {
  invalid_input: { status: 400, title: 'Invalid request' },
  unauthorized: { status: 401, title: 'Unauthorized' },
  not_found: { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'Conflicts with the current state' },
  rate_limited: { status: 429, title: 'Too many requests' },
  upstream: { status: 502, title: 'Upstream failed' },
  deadline: { status: 504, title: 'Timed out' },
  unavailable: { status: 503, title: 'Service unavailable' },
  integrity: { status: 500, title: 'Internal error' },
  config: { status: 500, title: 'Internal error' },
};

/** The stable URI of a kind of problem. */
export function problemType(code: string): string {
  return `urn:tributary:problem:${code.replaceAll('_', '-')}`;
}

/** Responds to errors with problem+json. For a bug, it reveals only the correlation id and logs the rest. */
export function respondWithProblems(): MiddlewareObj<HttpEvent, APIGatewayProxyStructuredResultV2> {
  return {
    onError: (request) => {
      const { problem, headers } = toProblem(request.error, correlationId());
      if (problem.status >= 500) log.error('request failed', { error: request.error });
      request.response = {
        statusCode: problem.status,
        headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
        body: JSON.stringify(problem),
      };
    },
  };
}

/** The problem for an error, with its headers. */
export function toProblem(
  error: unknown,
  correlationId: string,
): { problem: Problem; headers: Record<string, string> } {
  if (!(error instanceof TributaryError) || known[error.code].status === 500) {
    const detail = 'The request failed because of a bug in the service. Report the correlation id.';
    return {
      problem: { type: problemType('internal'), title: 'Internal error', status: 500, detail, correlationId },
      headers: {},
    };
  }
  const { status, title } = known[error.code];
  const problem: Problem = { type: problemType(error.code), title, status, detail: error.message, correlationId };
  if (error instanceof BodyTooLarge)
    Object.assign(problem, { status: 413, type: problemType('body_too_large'), title: 'Body too large' });
  if (error instanceof InvalidInput && error.fields.length > 0) problem.errors = error.fields;
  if (!(error instanceof RateLimited)) return { problem, headers: {} };
  if (error.side === 'upstream') problem.status = 503;
  return { problem, headers: { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) } };
}
