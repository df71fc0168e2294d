import type { MiddlewareObj } from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { log } from '../observability/log.ts';
import { invocation } from './invocation.ts';

/** The outcome of each record in a batch, in order. */
export type BatchOutcome = readonly PromiseSettledResult<unknown>[];

/**
 * The handler of a function invoked by queues. Records whose outcome is a rejection are delivered again. `signal` aborts
 * when the invocation ends without the work.
 */
export function queueHandler(
  work: (event: SQSEvent, context: Context, signal: AbortSignal) => Promise<BatchOutcome>,
): (event: SQSEvent, context: Context) => Promise<SQSBatchResponse> {
  const handler = invocation<SQSEvent, BatchOutcome | SQSBatchResponse>()
    .use(partialBatch())
    .handler((event, context, { signal }) => work(event, context, signal));
  return handler as (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;
}

/**
 * Reports which records failed, so that SQS delivers only those again. If the handler threw or timed out, that is all.
 */
function partialBatch(): MiddlewareObj<SQSEvent, BatchOutcome | SQSBatchResponse> {
  const failuresIn = (event: SQSEvent, isFailed: (i: number) => boolean): SQSBatchResponse => ({
    batchItemFailures: event.Records.filter((_, i) => isFailed(i)).map(({ messageId }) => ({
      itemIdentifier: messageId,
    })),
  });
  return {
    after: (request) => {
      const outcomes = request.response as BatchOutcome;
      request.response = failuresIn(request.event, (i) => outcomes[i]?.status !== 'fulfilled');
    },
    onError: (request) => {
      log.error('message batch failed', { error: request.error });
      request.response = failuresIn(request.event, () => true);
    },
  };
}
