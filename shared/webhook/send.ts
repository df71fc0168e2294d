import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { log } from '../observability/log.ts';
import { RefusedTarget, resolveTarget, type Target } from './address.ts';

/** A message to post, as JSON. */
export interface Message {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** Undefined if the receiver accepted the message, else why not, in words that its owner may read. */
export type Outcome = string | undefined;

const maxHeaderBytes = 16_384;

/**
 * Posts a message to a receiver: checks its address, connects to exactly that one, and waits for the status alone. Nothing
 * of the response's body is read, and redirects are not followed. Never throws: whatever a receiver does is an outcome.
 *
 * @param timeoutMs  for all of it, from the connection to the status
 */
export async function send(message: Message, timeoutMs: number): Promise<Outcome> {
  let target: Target;
  try {
    target = await resolveTarget(message.url);
  } catch (error) {
    if (error instanceof RefusedTarget) return `The URL ${error.message}.`;
    throw error;
  }
  const status = await post(target, message, timeoutMs).catch((error: unknown) => {
    log.error('webhook not sent', { error });
    return 'The request could not be made.';
  });
  if (typeof status === 'string') return status;
  return status >= 200 && status < 300 ? undefined : `The receiver answered with ${status}.`;
}

/** The status of the answer, or why there is none. */
function post({ url, address }: Target, { headers, body }: Message, timeoutMs: number): Promise<number | string> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  return new Promise((resolve) => {
    const sent = request({
      // by number: nothing resolves the name again
      host: address,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers: {
        ...headers,
        host: url.host,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': 'Tributary-Webhooks/1',
      },
      // the certificate is checked against the name
      ...(isIP(name) === 0 ? { servername: name } : {}),
      agent: false,
      maxHeaderSize: maxHeaderBytes,
    });
    const end = (outcome: number | string) => {
      clearTimeout(timer);
      resolve(outcome);
      sent.destroy();
    };
    const timer = setTimeout(() => end(`The receiver did not answer within ${timeoutMs / 1_000} s.`), timeoutMs);
    sent.on('response', ({ statusCode }) => end(statusCode!));
    // an upgrade is no answer
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      end('The receiver switched protocols.');
    });
    sent.on('error', (error: NodeJS.ErrnoException) =>
      end(`The connection failed: ${error.code ?? 'no valid response'}.`),
    );
    sent.end(body);
  });
}
