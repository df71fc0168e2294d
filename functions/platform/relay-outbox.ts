import { relayOutbox } from '../../shared/events/relay.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';

/** Reserved for the relay's last call, and for marking the published events. */
const reserveMs = 10_000;

/** Publishes events from the outbox, invoked by a commit or the schedule. If it fails, SQS delivers the message again. */
export const handler = invocation<unknown, void>().handler(async (_event, context) => {
  const published = await relayOutbox(new Date(Date.now() + context.getRemainingTimeInMillis() - reserveMs));
  if (published > 0) log.info('events published', { published });
});
