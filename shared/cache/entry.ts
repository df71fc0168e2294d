import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Loaded, Served } from './view.ts';

/**
 * An entry as it lies in a field of an entity's hash: a header, then the very bytes of the response body.
 *
 *      0  u8   layout (2)            10  f64 loaded at, ms
 *      1  u8   flags                 18  f64 as of, ms
 *      2  f64  ends at, ms           26  22 characters of the body's hash
 *     48  u8   number of dependencies, then the 8 characters of each one's tag
 *
 * Lua reads `ends at` from it (`scripts.ts`); all numbers are big-endian.
 */
export interface Entry {
  status: 200 | 404;
  encoding: 'identity' | 'gzip';
  endsAt: number;
  loadedAt: number;
  asOf: number | undefined;
  /** Of the plain body: 128 bits in base64url. */
  hash: string;
  live: boolean;
  /** The tags that the dependencies had when its load began. */
  tags: readonly string[];
  body: Buffer;
}

/** Length of a tag and of a lease's token: 48 random bits in base64url. */
export const tagLength = 8;

const layout = 2;
const hashAt = 26;
const hashLength = 22;
const countAt = hashAt + hashLength;
const tagsAt = countAt + 1;
const flags = { gzip: 1, notFound: 2, asOf: 4, live: 8 };
const gzipAboveBytes = 2_048;
const compress = promisify(gzip);

/** The entry of what was loaded: its body packed if that pays, its hash taken, its end set. */
export async function toEntry(
  loaded: Loaded,
  tags: readonly string[],
  loadedAt: number,
  lifeMs: number,
): Promise<Entry> {
  const plain = typeof loaded.body === 'string' ? Buffer.from(loaded.body) : Buffer.from(loaded.body);
  const packs = plain.length > gzipAboveBytes;
  return {
    status: loaded.status,
    encoding: packs ? 'gzip' : 'identity',
    endsAt: loadedAt + lifeMs,
    loadedAt,
    asOf: loaded.asOf?.getTime(),
    hash: createHash('sha256').update(plain).digest('base64url').slice(0, hashLength),
    live: loaded.live ?? false,
    tags,
    body: packs ? await compress(plain, { level: 5 }) : plain,
  };
}

/** The bytes of an entry. */
export function encodeEntry(entry: Entry): Buffer {
  const header = Buffer.alloc(tagsAt + entry.tags.length * tagLength);
  header.writeUInt8(layout, 0);
  header.writeUInt8(
    (entry.encoding === 'gzip' ? flags.gzip : 0) |
      (entry.status === 404 ? flags.notFound : 0) |
      (entry.asOf === undefined ? 0 : flags.asOf) |
      (entry.live ? flags.live : 0),
    1,
  );
  for (const [i, number] of [entry.endsAt, entry.loadedAt, entry.asOf ?? 0].entries())
    header.writeDoubleBE(number, 2 + i * 8);
  header.write(entry.hash, hashAt, 'latin1');
  header.writeUInt8(entry.tags.length, countAt);
  header.write(entry.tags.join(''), tagsAt, 'latin1');
  return Buffer.concat([header, entry.body]);
}

/** The entry in a field's bytes; undefined for anything else: garbage is a miss. */
export function decodeEntry(bytes: Buffer | null | undefined): Entry | undefined {
  if (!bytes || bytes.length < tagsAt || bytes[0] !== layout) return undefined;
  const flag = bytes[1]!;
  const bodyAt = tagsAt + bytes[countAt]! * tagLength;
  if (bodyAt > bytes.length) return undefined;
  const tags: string[] = [];
  for (let at = tagsAt; at < bodyAt; at += tagLength) tags.push(bytes.toString('latin1', at, at + tagLength));
  return {
    status: flag & flags.notFound ? 404 : 200,
    encoding: flag & flags.gzip ? 'gzip' : 'identity',
    endsAt: bytes.readDoubleBE(2),
    loadedAt: bytes.readDoubleBE(10),
    asOf: flag & flags.asOf ? bytes.readDoubleBE(18) : undefined,
    hash: bytes.toString('latin1', hashAt, countAt),
    live: (flag & flags.live) !== 0,
    tags,
    body: bytes.subarray(bodyAt),
  };
}

/** What goes out of an entry. */
export function serve(entry: Entry, outcome: Served['outcome'], now: number): Served {
  return {
    outcome,
    status: entry.status,
    body: entry.body,
    encoding: entry.encoding,
    hash: entry.hash,
    ageSeconds: Math.max(0, Math.floor((now - entry.loadedAt) / 1_000)),
    asOf: entry.asOf === undefined ? undefined : new Date(entry.asOf),
    live: entry.live,
  };
}
