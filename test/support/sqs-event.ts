import type { SQSEvent } from 'aws-lambda';

/** One message as SQS hands it to a function, delivered for the first or a later time. */
export function sqsEvent(message: unknown, receives = 1): SQSEvent {
  const attributes = { ApproximateReceiveCount: String(receives) };
  return { Records: [{ messageId: '1', body: JSON.stringify(message), attributes }] } as SQSEvent;
}
