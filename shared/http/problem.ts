import { type ErrorCode, InvalidInput, RateLimited, TributaryError } from '../kernel/errors.ts';

/** A problem as RFC 9457 has it, with the fields that were wrong and the id to find it in the logs by. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: { field: string; message: string }[];
  correlationId: string;
}

/** The request's body is larger than an operation takes. */
export class BodyTooLarge extends InvalidInput {}

const known: Record<ErrorCode, { status: number; title: string }> = {
  invalid_input: { status: 400, title: 'The request is not right' },
  unauthorized: { status: 401, title: 'Not authorized' },
  not_found: { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'It contradicts what stands' },
  rate_limited: { status: 429, title: 'Too many requests' },
  upstream: { status: 502, title: 'The upstream failed' },
  deadline: { status: 504, title: 'It took too long' },
  unavailable: { status: 503, title: 'Not available just now' },
  integrity: { status: 500, title: 'Internal error' },
  config: { status: 500, title: 'Internal error' },
};

/** The stable URI of a kind of problem. */
export function problemType(code: string): string {
  return `urn:tributary:problem:${code.replaceAll('_', '-')}`;
}

/** The HTTP answer that an error becomes. What was not thrown on purpose is a bug, and says nothing of itself. */
export function toProblem(
  error: unknown,
  correlationId: string,
): { problem: Problem; headers: Record<string, string> } {
  if (!(error instanceof TributaryError) || known[error.code].status === 500) {
    const detail = 'Something went wrong on our side; the correlation id finds it in the logs.';
    return {
      problem: { type: problemType('internal'), title: 'Internal error', status: 500, detail, correlationId },
      headers: {},
    };
  }
  const { status, title } = known[error.code];
  const problem: Problem = { type: problemType(error.code), title, status, detail: error.message, correlationId };
  if (error instanceof BodyTooLarge) Object.assign(problem, { status: 413, type: problemType('body_too_large') });
  if (error instanceof InvalidInput && error.fields.length > 0) problem.errors = error.fields;
  if (!(error instanceof RateLimited)) return { problem, headers: {} };
  if (error.side === 'upstream') problem.status = 503;
  return { problem, headers: { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) } };
}
