/** Helpers for tests of single reads. */
import { createServer } from 'node:http';
import { afterAll, expect } from 'vitest';
import type { Call, Reply } from './api.ts';

type Caller = (target: string, call?: Call) => Promise<Reply>;

/** Returns all items of a list, page by page. Fails if a page before the last is not full, or a cursor repeats. */
export async function walk(call: Caller, target: string, list: string, limit: number): Promise<Reply['json'][]> {
  const items: unknown[] = [];
  const cursors = new Set<string>();
  const page = `${target}${target.includes('?') ? '&' : '?'}limit=${limit}`;
  for (let next = page; ; ) {
    const { json } = await call(next);
    items.push(...json[list]);
    if (json.nextCursor === null) return items;
    expect([next, json[list].length, cursors.has(json.nextCursor)]).toEqual([next, limit, false]);
    cursors.add(json.nextCursor);
    next = `${page}&cursor=${json.nextCursor}`;
  }
}

/** The status of a failed request, and the fields that its problem names. */
export async function refusal(call: Caller, target: string): Promise<[status: number, fields: string[] | undefined]> {
  const { status, json } = await call(target);
  return [status, json.errors?.map(({ field }: { field: string }) => field)];
}

/** Caches a response, makes a change, and returns the new response. Fails if the change does not void the cached one. */
export async function readAfter(call: Caller, target: string, change: () => Promise<unknown>): Promise<Reply> {
  await call(target);
  expect((await call(target)).headers['x-cache']).toBe('hit');
  await change();
  const reply = await call(target);
  expect(reply.headers['x-cache']).toBe('miss');
  return reply;
}

/** Starts an upstream that returns the same response to every request, and counts the requests. Stops after the suite. */
export async function startUpstream(status: number, body: unknown): Promise<{ url: string; requests: number }> {
  const upstream = { url: '', requests: 0 };
  const server = createServer((_, response) => {
    upstream.requests++;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  upstream.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return upstream;
}
