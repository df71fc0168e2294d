import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, inject, test } from 'vitest';
import { depthOf, moveMessages, sendMessages } from '../../shared/events/queue.ts';
import { createDatabase } from '../support/database.ts';
import { createQueue, drain } from '../support/queues.ts';

await createDatabase();
const [dead, live] = [await createQueue('dead'), await createQueue('live')];

interface Entry {
  Id: string;
  MessageBody: string;
}

/** The queues, but of each batch, the entries whose body says `refused` fail. */
const refusing = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const batch = JSON.parse(Buffer.concat(chunks).toString()) as { QueueUrl: string; Entries: Entry[] };
  const isRefused = ({ MessageBody }: Entry) => MessageBody.includes('refused');
  const answer = await fetch(inject('services').queuesUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': request.headers['x-amz-target'] as string,
      authorization: request.headers.authorization!,
    },
    body: JSON.stringify({
      QueueUrl: batch.QueueUrl.replace(address(), inject('services').queuesUrl),
      Entries: batch.Entries.filter((entry) => !isRefused(entry)),
    }),
  });
  const accepted = (await answer.json()) as object;
  const Failed = batch.Entries.filter(isRefused).map(({ Id }) => ({ Id, SenderFault: false, Code: 'InternalError' }));
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
  response.end(JSON.stringify({ ...accepted, Failed }));
});
await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
const address = () => `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
const partly = live.url.replace(inject('services').queuesUrl, address());
afterAll(() => {
  refusing.closeAllConnections();
  refusing.close();
});

test('sending fails if SQS accepts only some of the messages', async () => {
  await expect(sendMessages(partly, ['one', 'refused'])).rejects.toMatchObject({ code: 'unavailable' });
  expect(await drain(live.url)).toEqual(['one']);
});

test('a redrive removes only the messages that the queue accepted', async () => {
  const bodies = ['one', 'refused 1', 'two', 'refused 2', 'three'];
  await sendMessages(dead.url, bodies);
  expect(await moveMessages(dead.url, partly, new Date(Date.now() + 10_000))).toBe(3);
  expect((await drain(live.url)).sort()).toEqual(['one', 'three', 'two']);
  // those that were refused are in flight until their visibility timeout ends
  const { waiting, inFlight } = await depthOf(dead.url);
  expect(waiting + inFlight).toBe(2);
});
