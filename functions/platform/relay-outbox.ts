import { relayOutbox } from '../../shared/events/relay.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { log } from '../../shared/observability/log.ts';

/** For the relay's last call, and for marking what it published. */
const reserveMs = 10_000;

/** Publishes the outbox, woken by a commit or by the clock. If it fails, SQS delivers the message again. */
export const handler = invocation<unknown, void>().handler(async (_event, context) => {
  const published = await relayOutbox(new Date(Date.now() + context.getRemainingTimeInMillis() - reserveMs));
  if (published > 0) log.info('events published', { published });
});
