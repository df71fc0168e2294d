import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { PgSnapshot } from '../kernel/snapshot.ts';
import type { Loaded, Served } from './view.ts';

/**
 * An entry as it stands in a field of an entity's hash: a header of fixed layout, then the response body's very bytes.
 *
 *     0  u8   layout (1)            4  f64 loaded at, ms        28 f64 xmin
 *     1  u8   flags                12  f64 ends at, ms          36 f64 xmax
 *     2  u16  length of the header 20  f64 as of, ms            44 22 characters of the body's hash
 *    66  u8   number of dependencies, then 8 bytes of each one's nonce; then xip, f64 each
 *
 * Lua reads `flags` and the snapshot from it (`scripts.ts`); all numbers are big-endian.
 */
export interface Entry {
  status: 200 | 404;
  encoding: 'identity' | 'gzip';
  loadedAt: number;
  endsAt: number;
  asOf: number | undefined;
  snapshot: PgSnapshot | undefined;
  /** Of the plain body: 128 bits in base64url. */
  hash: string;
  /** The nonces that the dependencies' fences had when it was stored. */
  nonces: readonly string[];
  /** It was computed on the spot, as no snapshot of it stood. */
  live: boolean;
  body: Buffer;
}

const layout = 1;
const hashAt = 44;
const hashLength = 22;
const countAt = hashAt + hashLength;
const fixedLength = countAt + 1;
const flags = { gzip: 1, notFound: 2, snapshot: 4, asOf: 8, live: 16 };
const gzipAboveBytes = 2_048;
const compress = promisify(gzip);

/** The entry of what was loaded: its body packed if that pays, its hash taken, its end set. */
export async function toEntry(
  loaded: Loaded,
  nonces: readonly string[],
  loadedAt: number,
  lifeMs: number,
): Promise<Entry> {
  const plain = typeof loaded.body === 'string' ? Buffer.from(loaded.body) : Buffer.from(loaded.body);
  const packs = plain.length > gzipAboveBytes;
  return {
    status: loaded.status,
    encoding: packs ? 'gzip' : 'identity',
    loadedAt,
    endsAt: loadedAt + lifeMs,
    asOf: loaded.asOf?.getTime(),
    snapshot: loaded.snapshot,
    hash: createHash('sha256').update(plain).digest('base64url').slice(0, hashLength),
    nonces,
    live: loaded.live ?? false,
    body: packs ? await compress(plain, { level: 5 }) : plain,
  };
}

/** The bytes of an entry. */
export function encodeEntry(entry: Entry): Buffer {
  const xip = entry.snapshot?.xip ?? [];
  const headerLength = fixedLength + entry.nonces.length * 8 + xip.length * 8;
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(layout, 0);
  header.writeUInt8(
    (entry.encoding === 'gzip' ? flags.gzip : 0) |
      (entry.status === 404 ? flags.notFound : 0) |
      (entry.snapshot ? flags.snapshot : 0) |
      (entry.asOf === undefined ? 0 : flags.asOf) |
      (entry.live ? flags.live : 0),
    1,
  );
  header.writeUInt16BE(headerLength, 2);
  const numbers = [entry.loadedAt, entry.endsAt, entry.asOf ?? 0, entry.snapshot?.xmin ?? 0, entry.snapshot?.xmax ?? 0];
  for (const [i, number] of numbers.entries()) header.writeDoubleBE(number, 4 + i * 8);
  header.write(entry.hash, hashAt, 'latin1');
  header.writeUInt8(entry.nonces.length, countAt);
  header.write(entry.nonces.join(''), fixedLength, 'latin1');
  for (const [i, xid] of xip.entries()) header.writeDoubleBE(xid, fixedLength + (entry.nonces.length + i) * 8);
  return Buffer.concat([header, entry.body]);
}

/** The entry in a field's bytes; undefined if they are none: garbage is a miss. */
export function decodeEntry(bytes: Buffer | null | undefined): Entry | undefined {
  if (!bytes || bytes.length < fixedLength || bytes[0] !== layout) return undefined;
  const flag = bytes[1]!;
  const headerLength = bytes.readUInt16BE(2);
  const xipAt = fixedLength + bytes[countAt]! * 8;
  if (headerLength < xipAt || headerLength > bytes.length || (headerLength - xipAt) % 8 !== 0) return undefined;
  const nonces: string[] = [];
  for (let at = fixedLength; at < xipAt; at += 8) nonces.push(bytes.toString('latin1', at, at + 8));
  const xip: number[] = [];
  for (let at = xipAt; at < headerLength; at += 8) xip.push(bytes.readDoubleBE(at));
  return {
    status: flag & flags.notFound ? 404 : 200,
    encoding: flag & flags.gzip ? 'gzip' : 'identity',
    loadedAt: bytes.readDoubleBE(4),
    endsAt: bytes.readDoubleBE(12),
    asOf: flag & flags.asOf ? bytes.readDoubleBE(20) : undefined,
    snapshot: flag & flags.snapshot ? { xmin: bytes.readDoubleBE(28), xmax: bytes.readDoubleBE(36), xip } : undefined,
    hash: bytes.toString('latin1', hashAt, countAt),
    nonces,
    live: (flag & flags.live) !== 0,
    body: bytes.subarray(headerLength),
  };
}

/** What goes out of an entry. */
export function serve(entry: Entry, outcome: Served['outcome'], now: number): Served {
  return {
    outcome,
    status: entry.status,
    body: entry.body,
    encoding: entry.encoding,
    etag: `"${entry.hash}"`,
    ageSeconds: Math.max(0, Math.floor((now - entry.loadedAt) / 1_000)),
    asOf: entry.asOf === undefined ? undefined : new Date(entry.asOf),
    live: entry.live,
  };
}
