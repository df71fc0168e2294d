import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, inject, test } from 'vitest';
import { depthOf, moveMessages, sendMessages } from '../../shared/events/queue.ts';
import { createDatabase } from '../support/database.ts';
import { createQueue, drain } from '../support/queues.ts';

interface Body {
  QueueUrl: string;
  Entries?: { Id: string; MessageBody?: string }[];
}

const { queuesUrl } = inject('services');
const [dead, live] = [await createQueue('dead'), await createQueue('live')];
const nameOf = (url: string) => url.split('/').at(-1)!;

/** The queues, except that `live` refuses the entries of a batch whose body says so. */
const refusing = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Body;
  const isRefused = ({ MessageBody = '' }) =>
    nameOf(body.QueueUrl) === nameOf(live.url) && MessageBody.includes('refused');
  const QueueUrl = `${queuesUrl}/000000000000/${nameOf(body.QueueUrl)}`;
  const Entries = body.Entries?.filter((entry) => !isRefused(entry));
  const answer = await fetch(queuesUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': String(request.headers['x-amz-target']),
      authorization: String(request.headers.authorization),
    },
    body: JSON.stringify({ ...body, QueueUrl, Entries }),
  });
  const Failed = body.Entries?.filter(isRefused).map(({ Id }) => ({ Id, SenderFault: false, Code: 'InternalError' }));
  const text = await answer.text();
  response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' });
  response.end(Failed ? JSON.stringify({ ...JSON.parse(text), Failed }) : text);
});
await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
afterAll(() => {
  refusing.closeAllConnections();
  refusing.close();
});
const address = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
await createDatabase({ AWS_ENDPOINT_URL_SQS: address });
const [fromUrl, toUrl] = [dead, live].map(({ url }) => `${address}/000000000000/${nameOf(url)}`) as [string, string];

test('sending fails if SQS accepts only some of the messages', async () => {
  await expect(sendMessages(toUrl, ['one', 'refused'])).rejects.toMatchObject({ code: 'unavailable' });
  expect(await drain(live.url)).toEqual(['one']);
});

test('a redrive removes only the messages that the queue accepted', async () => {
  const bodies = ['one', 'refused 1', 'two', 'refused 2', 'three'];
  await sendMessages(fromUrl, bodies);
  expect(await moveMessages(fromUrl, toUrl, new Date(Date.now() + 10_000))).toBe(3);
  expect((await drain(live.url)).sort()).toEqual(['one', 'three', 'two']);
  // those that were refused are in flight until their visibility timeout ends
  const { waiting, inFlight } = await depthOf(fromUrl);
  expect(waiting + inFlight).toBe(2);
});
