import middy, { type MiddlewareObj, type MiddyfiedHandler } from '@middy/core';
import { dropConnections } from '../db/pools.ts';
import { Deadline } from '../kernel/errors.ts';
import { enterCorrelation } from '../observability/correlation.ts';
import { flushMetrics } from '../observability/metrics.ts';

/** Time reserved for the response, or for reporting failures, before Lambda ends the process. */
export const earlyEndMs = 500;

/**
 * The middleware that every handler starts with: ends the work shortly before Lambda's timeout, sets the correlation
 * id, and writes the metrics at the end.
 *
 * @param correlationOf  the correlation id in the event, if it has one
 */
export function invocation<Event, Result>(
  correlationOf: (event: Event) => string | undefined = () => undefined,
): MiddyfiedHandler<Event, Result> {
  return middy<Event, Result>({ timeoutEarlyInMillis: earlyEndMs, timeoutEarlyResponse: endEarly })
    .use(flush())
    .use(correlate(correlationOf)) as MiddyfiedHandler<Event, Result>;
}

/** Lambda keeps the process: without this, what the work has open would stay open while the process is frozen. */
function endEarly(): never {
  dropConnections();
  throw new Deadline('The function ran out of time.');
}

function correlate<Event>(correlationOf: (event: Event) => string | undefined): MiddlewareObj<Event> {
  return { before: ({ event }) => enterCorrelation(correlationOf(event)) };
}

function flush(): MiddlewareObj {
  return { after: () => flushMetrics(), onError: () => flushMetrics() };
}
