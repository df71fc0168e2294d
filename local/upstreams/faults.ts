import type { IncomingMessage, ServerResponse } from 'node:http';

/** How the next responses fail. */
export interface Faults {
  kind: 'rate-limited' | 'server-error' | 'slow' | 'truncated' | 'garbage';
  /** Responses that are still to fail. */
  count: number;
  retryAfterSeconds?: number;
  delayMs?: number;
}

/** A switch for faults, set in code or by `PUT /__faults`. */
export interface FaultSwitch {
  set(faults: Faults | undefined): void;
  /** The fault of this response; counts it down. */
  next(): Faults | undefined;
}

export function createFaultSwitch(): FaultSwitch {
  let current: Faults | undefined;
  return {
    set(faults) {
      current = faults;
    },
    next() {
      if (!current || current.count <= 0) return undefined;
      current.count--;
      return current;
    },
  };
}

/** Responds with JSON, or as the fault says. */
export async function respond(
  response: ServerResponse,
  status: number,
  body: unknown,
  fault: Faults | undefined,
): Promise<void> {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json' };
  switch (fault?.kind) {
    case 'rate-limited':
      response.writeHead(429, { ...headers, 'retry-after': String(fault.retryAfterSeconds ?? 1) });
      return void response.end(
        JSON.stringify({ error: { message: 'Your app has exceeded its compute units per second capacity.' } }),
      );
    case 'server-error':
      response.writeHead(503, headers);
      return void response.end('{"error":{"message":"unavailable"}}');
    case 'truncated':
      response.writeHead(status, headers);
      return void response.end(text.slice(0, text.length / 2));
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, fault.delayMs ?? 1_000));
  }
  response.writeHead(status, headers);
  response.end(text);
}

/** The body of a request as JSON; undefined if it is empty. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
