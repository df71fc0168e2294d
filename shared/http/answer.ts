import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { Served } from '../cache/entry.ts';

/** What a handler returns. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

/** A JSON answer. */
export function jsonAnswer(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/**
 * A cached entry as an answer: decompressed only if the client does not accept gzip, and 304 if it has the bytes
 * already.
 */
export async function cachedAnswer(
  { outcome, entry, servedBy = ['cache'] }: Served,
  requestHeaders: Record<string, string | undefined>,
): Promise<Answer> {
  const { status, body, asOf } = entry;
  const isGzipped = entry.encoding === 'gzip' && acceptsGzip(requestHeaders['accept-encoding']);
  const headers: Record<string, string> = {
    'content-type': status === 404 ? 'application/problem+json' : 'application/json',
    'cache-control': 'public, no-cache',
    vary: 'accept-encoding',
    'x-cache': outcome,
    'x-served-by': servedBy.join(', '),
    // a strong ETag identifies the bytes, and compressed bytes differ
    etag: `"${entry.hash}${isGzipped ? '-gzip' : ''}"`,
    age: String(Math.max(0, Math.floor((Date.now() - entry.loadedAt) / 1_000))),
  };
  if (entry.live) headers['x-source'] = 'live';
  if (asOf !== undefined) headers['as-of'] = new Date(asOf).toISOString();
  if (status === 200 && isUnchanged(headers.etag!, requestHeaders['if-none-match']))
    return { status: 304, headers, body: '' };
  if (entry.encoding === 'identity') return { status, headers, body };
  if (isGzipped) return { status, headers: { ...headers, 'content-encoding': 'gzip' }, body };
  const { gunzipSync } = await import('node:zlib');
  return { status, headers, body: gunzipSync(body) };
}

/** The answer in API Gateway's format: text as is, bytes in base64. */
export function toResult(answer: Answer): APIGatewayProxyStructuredResultV2 {
  const { status: statusCode, headers, body } = answer;
  if (typeof body === 'string') return { statusCode, headers, body };
  const isText =
    headers['content-encoding'] === undefined && /json|text|javascript/.test(headers['content-type'] ?? '');
  if (isText) return { statusCode, headers, body: body.toString('utf8') };
  return { statusCode, headers, body: body.toString('base64'), isBase64Encoded: true };
}

function isUnchanged(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const strong = (tag: string) => tag.trim().replace(/^W\//, '');
  return ifNoneMatch === '*' || ifNoneMatch.split(',').some((tag) => strong(tag) === strong(etag));
}

function acceptsGzip(acceptEncoding: string | undefined): boolean {
  return (acceptEncoding ?? '')
    .split(',')
    .some((coding) => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding));
}
