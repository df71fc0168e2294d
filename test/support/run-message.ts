/** Runs one message of the wallets jobs in a process that tests can kill: `node test/support/run-message.ts MESSAGE`. */
import type { Context, SQSEvent } from 'aws-lambda';
import { handler } from '../../functions/wallets/etl.ts';

process.stdout.write('started\n');
const event = {
  Records: [{ messageId: '1', body: process.argv[2]!, attributes: { ApproximateReceiveCount: '1' } }],
} as SQSEvent;
await handler(event, { getRemainingTimeInMillis: () => 600_000 } as Context);
process.exit(0);
