import type { Context } from 'aws-lambda';
import { relayOutbox } from '../../shared/events/relay.ts';
import { withCorrelation } from '../../shared/observability/correlation.ts';
import { log } from '../../shared/observability/log.ts';

/** For the relay's last call and its mark. */
const marginMs = 10_000;

/** Publishes the outbox, whether a nudge or the clock asks for it; on failure the message comes again. */
export const handler = (_event: unknown, context: Context): Promise<void> =>
  withCorrelation(context.awsRequestId, async () => {
    const published = await relayOutbox(new Date(Date.now() + context.getRemainingTimeInMillis() - marginMs));
    if (published > 0) log.info('events were published', { published });
  });
