/** A worker of the wallets' jobs in a process of its own, to be killed: `node test/support/run-message.ts MESSAGE`. */
import type { Context, SQSEvent } from 'aws-lambda';
import { handler } from '../../functions/wallets/etl.ts';

process.stdout.write('begun\n');
const event = { Records: [{ messageId: '1', body: process.argv[2]! }] } as SQSEvent;
await handler(event, { getRemainingTimeInMillis: () => 600_000 } as Context);
process.exit(0);
