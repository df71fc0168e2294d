import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { localAccount, localRegion } from './queues.ts';

export interface BusRule {
  bus: string;
  pattern: Record<string, unknown>;
  /** The queues it sends to, by name: the event, or `input` instead. */
  targets: { queue: string; input?: string | undefined }[];
}

export interface EventBus {
  url: string;
  stop(): Promise<void>;
}

interface Entry {
  EventBusName?: string;
  Source?: string;
  DetailType?: string;
  Detail?: string;
}

const maxEntries = 10;
const maxBytes = 262_144;

/** EventBridge's PutEvents on this machine: matches entries against the template's rules and sends them to queues. */
export async function startEventBus(
  rules: readonly BusRule[],
  send: (queue: string, body: string) => void,
): Promise<EventBus> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(body));
    };
    if (request.headers['x-amz-target'] !== 'AWSEvents.PutEvents')
      return answer(400, { __type: 'UnknownOperationException' });
    const { Entries } = JSON.parse(text) as { Entries: Entry[] };
    if (Entries.length > maxEntries || Buffer.byteLength(text) > maxBytes)
      return answer(400, { __type: 'ValidationException' });
    answer(200, { FailedEntryCount: 0, Entries: Entries.map((entry) => ({ EventId: deliver(entry, rules, send) })) });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function deliver(entry: Entry, rules: readonly BusRule[], send: (queue: string, body: string) => void): string {
  const id = randomUUID();
  const event = {
    version: '0',
    id,
    'detail-type': entry.DetailType ?? '',
    source: entry.Source ?? '',
    account: localAccount,
    time: new Date().toISOString(),
    region: localRegion,
    resources: [],
    detail: JSON.parse(entry.Detail ?? '{}'),
  };
  for (const { bus, pattern, targets } of rules) {
    if (bus === entry.EventBusName && matches(pattern, event))
      for (const { queue, input } of targets) send(queue, input ?? JSON.stringify(event));
  }
  return id;
}

/** Whether an event matches a pattern of exact values, prefixes and nested objects. Other conditions are an error. */
export function matches(pattern: Record<string, unknown>, event: Record<string, unknown>): boolean {
  return Object.entries(pattern).every(([field, condition]) => {
    const value = event[field];
    if (!Array.isArray(condition))
      return matches(condition as Record<string, unknown>, (value ?? {}) as Record<string, unknown>);
    return condition.some((one) => {
      if (typeof one !== 'object' || one === null) return one === value;
      if (typeof one.prefix === 'string') return String(value).startsWith(one.prefix);
      throw new Error(`The event pattern ${JSON.stringify(one)} is not supported. Add it to local/event-bus.ts.`);
    });
  });
}
