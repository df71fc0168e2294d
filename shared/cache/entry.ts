import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Server } from '../observability/servers.ts';
import type { Loaded } from './view.ts';

/** Length of a tag or a lease's token: 48 random bits in base64url. */
export const tagLength = 8;

const layout = 2;
const hashAt = 26;
const hashLength = 22;
const countAt = hashAt + hashLength;
const tagsAt = countAt + 1;
const flags = { gzip: 1, notFound: 2, asOf: 4, live: 8 };
const gzipAboveBytes = 2_048;
const compress = promisify(gzip);

/**
 * An entry as stored in a field of an entity's hash: a header, then the bytes of the response body. Its properties are
 * decoded on access, because a hot read needs few of them.
 *
 *      0  u8   layout (2)            10  f64 loaded at, ms
 *      1  u8   flags                 18  f64 as of, ms
 *      2  f64  ends at, ms           26  22 characters of the body's hash
 *     48  u8   number of dependencies, then the 8 characters of each one's tag
 *
 * Lua reads `ends at` from it (`scripts.ts`); all numbers are big-endian.
 */
export class Entry {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get status(): 200 | 404 {
    return this.has(flags.notFound) ? 404 : 200;
  }

  get encoding(): 'identity' | 'gzip' {
    return this.has(flags.gzip) ? 'gzip' : 'identity';
  }

  /** Milliseconds since 1970, like the other times. */
  get endsAt(): number {
    return this.bytes.readDoubleBE(2);
  }

  get loadedAt(): number {
    return this.bytes.readDoubleBE(10);
  }

  get asOf(): number | undefined {
    return this.has(flags.asOf) ? this.bytes.readDoubleBE(18) : undefined;
  }

  /** Hash of the uncompressed body: about 128 bits in base64url. */
  get hash(): string {
    return this.bytes.toString('latin1', hashAt, countAt);
  }

  get live(): boolean {
    return this.has(flags.live);
  }

  /** The tags that its dependencies had when its load began. */
  get tags(): string[] {
    const tags: string[] = [];
    for (let at = tagsAt; at < this.bodyAt; at += tagLength)
      tags.push(this.bytes.toString('latin1', at, at + tagLength));
    return tags;
  }

  get body(): Buffer {
    return this.bytes.subarray(this.bodyAt);
  }

  private get bodyAt(): number {
    return tagsAt + this.bytes[countAt]! * tagLength;
  }

  private has(flag: number): boolean {
    return (this.bytes[1]! & flag) !== 0;
  }
}

/** The entry in a field's bytes, or undefined if they are none: garbage is a miss. */
export function decodeEntry(bytes: Buffer | null | undefined): Entry | undefined {
  if (!bytes || bytes.length < tagsAt || bytes[0] !== layout) return undefined;
  if (tagsAt + bytes[countAt]! * tagLength > bytes.length) return undefined;
  const entry = new Entry(bytes);
  return isTime(entry.endsAt) && isTime(entry.loadedAt) && isTime(entry.asOf ?? 0) ? entry : undefined;
}

/** Within the range of Date; false for NaN. */
function isTime(ms: number): boolean {
  return ms >= 0 && ms < 8.64e15;
}

/** Encodes a loaded answer as an entry that ends `lifeMs` after `loadedAt`. Bodies over 2 KB are compressed. */
export async function toEntry(
  loaded: Loaded,
  tags: readonly string[],
  loadedAt: number,
  lifeMs: number,
): Promise<Entry> {
  const plain = typeof loaded.body === 'string' ? Buffer.from(loaded.body) : Buffer.from(loaded.body);
  const isGzipped = plain.length > gzipAboveBytes;
  const header = Buffer.alloc(tagsAt + tags.length * tagLength);
  header.writeUInt8(layout, 0);
  header.writeUInt8(
    (isGzipped ? flags.gzip : 0) |
      (loaded.status === 404 ? flags.notFound : 0) |
      (loaded.asOf ? flags.asOf : 0) |
      (loaded.live ? flags.live : 0),
    1,
  );
  for (const [i, number] of [loadedAt + lifeMs, loadedAt, loaded.asOf?.getTime() ?? 0].entries())
    header.writeDoubleBE(number, 2 + i * 8);
  header.write(createHash('sha256').update(plain).digest('base64url').slice(0, hashLength), hashAt, 'latin1');
  header.writeUInt8(tags.length, countAt);
  header.write(tags.join(''), tagsAt, 'latin1');
  return new Entry(Buffer.concat([header, isGzipped ? await compress(plain, { level: 5 }) : plain]));
}

/**
 * Where an answer came from. `hit`: the cache; `stale`: the cache, past its end or while the database cannot confirm
 * the generation; `miss`: a load that was proven to show every fence; `bypass`: an unproven load from a replica,
 * without Redis.
 */
export type Outcome = 'hit' | 'stale' | 'miss' | 'bypass';

/** A served answer. */
export interface Served {
  outcome: Outcome;
  entry: Entry;
  /** What it was loaded from for this read. Undefined if it was not: the cache had it, or another read loaded it. */
  servedBy?: readonly Server[];
}
