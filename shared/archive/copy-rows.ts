/** Decodes the binary format of COPY into batches of an archived file's columns. */
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { decimalText } from '../files/parquet-types.ts';
import type { Batch, Batches } from './batch.ts';
import { type FileColumn, isOverflow, maxScale, maxWholeDigits, overflowSuffix } from './columns.ts';

/** A decimal needs more digits than its column was given. */
export class NeedsMoreDigits extends Error {}

/** The signature, the flags, and the length of the header's extension. */
const headerBytes = 19;
/** Microseconds from 1970 to 2000, the epoch of Postgres. */
const postgresEpochMicros = 946_684_800_000_000n;
const powers = Array.from({ length: 16 }, (_, i) => 10 ** i);
const bigPowers = Array.from({ length: 160 }, (_, i) => 10n ** BigInt(i));
const wholeLimit = bigPowers[maxWholeDigits]!;

type Decode = (bytes: Buffer, at: number, length: number) => unknown;

/**
 * The rows of a COPY of the columns, without those that hold what overflows, in batches of `size`.
 *
 * @throws NeedsMoreDigits  a decimal does not fit its column
 */
export async function* copiedRows(copy: Readable, columns: readonly FileColumn[], size: number): Batches {
  const own = columns.filter((one) => !isOverflow(columns, one));
  const decoders = own.map(decoderOf);
  const overflowAt = own.map(({ name }) => columns.findIndex((one) => one.name === `${name}${overflowSuffix}`));
  let rest: Buffer = Buffer.alloc(0);
  let isStarted = false;
  let batch: Batch = columns.map(() => []);
  // a stream that is destroyed never reads the rest of the COPY, and its connection would wait for that for ever
  for await (const chunk of copy.iterator({ destroyOnReturn: false })) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    if (!isStarted) {
      if (bytes.length < headerBytes) {
        rest = bytes;
        continue;
      }
      at = headerBytes;
      isStarted = true;
    }
    for (let end = endOfRow(bytes, at, own.length); end > 0; end = endOfRow(bytes, at, own.length)) {
      readRow(bytes, at + 2, decoders, overflowAt, batch);
      at = end;
      if (batch[0]!.length < size) continue;
      yield batch;
      batch = columns.map(() => []);
    }
    rest = bytes.subarray(at);
  }
  if (batch[0]!.length > 0) yield batch;
}

/** Reads a COPY to its end, so that its connection can be used again. */
export async function drain(copy: Readable): Promise<void> {
  copy.resume();
  await finished(copy).catch(() => {});
}

/** Where the row ends, or 0 if it is not whole, or no row. */
function endOfRow(bytes: Buffer, start: number, fields: number): number {
  if (start + 2 > bytes.length || bytes.readInt16BE(start) < 0) return 0;
  let at = start + 2;
  for (let i = 0; i < fields; i++) {
    if (at + 4 > bytes.length) return 0;
    const length = bytes.readInt32BE(at);
    at += 4 + (length < 0 ? 0 : length);
  }
  return at <= bytes.length ? at : 0;
}

function readRow(bytes: Buffer, start: number, decoders: Decode[], overflowAt: number[], batch: Batch): void {
  let at = start;
  for (const [i, decode] of decoders.entries()) {
    const length = bytes.readInt32BE(at);
    at += 4;
    const overflow = overflowAt[i]!;
    if (length < 0) {
      batch[i]!.push(null);
      if (overflow >= 0) batch[overflow]!.push(null);
      continue;
    }
    const value = decode(bytes, at, length);
    at += length;
    if (overflow < 0) {
      if (value === undefined) throw new NeedsMoreDigits();
      batch[i]!.push(value);
    } else {
      batch[i]!.push(value ?? null);
      batch[overflow]!.push(value === undefined ? numericText(bytes, at - length) : null);
    }
  }
}

function decoderOf({ kind, scale, isWide }: FileColumn): Decode {
  switch (kind) {
    case 'integer':
      return (bytes, at, length) => (length === 2 ? bytes.readInt16BE(at) : bytes.readInt32BE(at));
    case 'bigint':
      return (bytes, at) => bytes.readBigInt64BE(at);
    case 'boolean':
      return (bytes, at) => bytes[at] === 1;
    case 'text':
      return (bytes, at, length) => bytes.toString('utf8', at, at + length);
    case 'time':
      return (bytes, at) => bytes.readBigInt64BE(at) + postgresEpochMicros;
    case 'decimal': {
      const limit = isWide ? bigPowers[38]! : bigPowers[18]!;
      return (bytes, at) => unscaled(bytes, at, scale, limit);
    }
  }
}

/**
 * A numeric times ten to the scale; undefined if no column of a file holds it.
 *
 * @throws NeedsMoreDigits  another column would hold it
 */
function unscaled(bytes: Buffer, at: number, scale: number, limit: bigint): bigint | undefined {
  const digits = bytes.readInt16BE(at);
  const sign = bytes.readUInt16BE(at + 4);
  if (sign >= 0xc000) return undefined;
  if (digits === 0) return 0n;
  const power = 4 * (bytes.readInt16BE(at + 2) - digits + 1) + scale;
  if (digits <= 3 && power <= 3 && power >= -12) {
    let number = 0;
    for (let i = 0; i < digits; i++) number = number * 10_000 + bytes.readInt16BE(at + 8 + 2 * i);
    const scaled = power >= 0 ? number * powers[power]! : number / powers[-power]!;
    if (Number.isInteger(scaled)) return BigInt(sign === 0 ? scaled : -scaled);
    return misfit(bytes, at);
  }
  const number = wholeOf(bytes, at, digits);
  if (power < 0 && number % powerOf(-power) !== 0n) return misfit(bytes, at);
  const scaled = power >= 0 ? number * powerOf(power) : number / powerOf(-power);
  if (scaled >= limit) return misfit(bytes, at);
  return sign === 0 ? scaled : -scaled;
}

/** @throws NeedsMoreDigits  a column with more digits would hold it */
function misfit(bytes: Buffer, at: number): undefined {
  const [whole = '', fraction = ''] = numericText(bytes, at).replace('-', '').split('.');
  if (fraction.length > maxScale || BigInt(whole) >= wholeLimit) return undefined;
  throw new NeedsMoreDigits();
}

function wholeOf(bytes: Buffer, at: number, digits: number): bigint {
  let number = 0n;
  for (let i = 0; i < digits; i++) number = number * 10_000n + BigInt(bytes.readInt16BE(at + 8 + 2 * i));
  return number;
}

/** The shortest text of a numeric. */
function numericText(bytes: Buffer, at: number): string {
  const sign = bytes.readUInt16BE(at + 4);
  if (sign >= 0xc000) return sign === 0xc000 ? 'NaN' : sign === 0xd000 ? 'Infinity' : '-Infinity';
  const digits = bytes.readInt16BE(at);
  const power = 4 * (bytes.readInt16BE(at + 2) - digits + 1);
  const whole = wholeOf(bytes, at, digits);
  const number = sign === 0 ? whole : -whole;
  if (power >= 0) return String(number * powerOf(power));
  return decimalText(number, -power).replace(/\.?0+$/, '');
}

function powerOf(power: number): bigint {
  return bigPowers[power] ?? 10n ** BigInt(power);
}
