/** Runs one message of a domain's jobs in a process that tests can kill: `node test/support/run-message.ts MESSAGE`. */
import type { Context, SQSEvent } from 'aws-lambda';

const body = process.argv[2]!;
const [domain] = (JSON.parse(body) as { job: string }).job.split('.');
const { handler } = await import(`../../functions/${domain}/etl.ts`);
process.stdout.write('started\n');
const event = {
  Records: [{ messageId: '1', body, attributes: { ApproximateReceiveCount: '1' } }],
} as SQSEvent;
await handler(event, { getRemainingTimeInMillis: () => 600_000 } as Context);
process.exit(0);
