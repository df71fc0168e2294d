/**
 * Encodes rows in the binary format of COPY, which costs the server half as much as the text format and needs no
 * escaping.
 */

import { storable } from '../kernel/text.ts';
import { toJsonb } from './json.ts';

/** The column types that can be encoded, each with the JavaScript values it accepts. */
interface CopyTypes {
  smallint: number;
  integer: number;
  /** A string holds decimal digits. */
  bigint: string | number | bigint;
  boolean: boolean;
  text: string;
  bytea: Uint8Array;
  /** Any value that JSON can express. */
  jsonb: unknown;
  /** A decimal, such as `12`, `-0.0005`, or `1e-18`. */
  numeric: string;
  /** A bigint counts microseconds since 1970. */
  timestamptz: Date | bigint;
}

export type CopyType = keyof CopyTypes;

/** A row, keyed by column. If the columns are an array, the row is an array in the same order. */
export type CopyRow<Columns> = {
  readonly [Column in keyof Columns]: Columns[Column] extends CopyType
    ? CopyTypes[Columns[Column]] | null | undefined
    : never;
};

const chunkBytes = 64 * 1024;
const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = Buffer.from([0xff, 0xff]);
/** Microseconds from 1970 to 2000, the epoch of Postgres. */
const postgresEpochMicros = 946_684_800_000_000n;

/**
 * The COPY data for these rows, in chunks of about 64 KB. The first field of each row is its number, from 1, as an
 * integer; the values follow in column order.
 */
export function* encodeCopy<Columns extends Readonly<Record<string, CopyType>> | readonly CopyType[]>(
  columns: Columns,
  rows: Iterable<CopyRow<Columns>>,
): Iterable<Buffer> {
  const names = Object.keys(columns);
  const encoders = Object.values<CopyType>(columns).map((type) => encoderOf[type] as Encoder);
  const out = new Writer();
  out.put(signature);
  let position = 0;
  for (const row of rows as Iterable<Record<string, unknown>>) {
    out.int16(names.length + 1);
    out.int32(4);
    out.int32(++position);
    for (let i = 0; i < names.length; i++) {
      const value = row[names[i]!];
      if (value === null || value === undefined) out.int32(-1);
      else encoders[i]!(out, value);
    }
    if (out.length >= chunkBytes) yield out.take();
  }
  out.put(trailer);
  yield out.take();
}

type Encoder<Value = unknown> = (out: Writer, value: Value) => void;

const encoderOf: { [Type in CopyType]: Encoder<CopyTypes[Type]> } = {
  smallint(out, value) {
    out.int32(2);
    out.int16(value);
  },
  integer(out, value) {
    out.int32(4);
    out.int32(value);
  },
  bigint(out, value) {
    out.int32(8);
    if (typeof value === 'number') out.int64OfNumber(value);
    else out.int64(BigInt(value));
  },
  boolean(out, value) {
    out.int32(1);
    out.byte(value ? 1 : 0);
  },
  text(out, value) {
    out.text(storable(value));
  },
  bytea(out, value) {
    out.int32(value.length);
    out.put(value);
  },
  jsonb(out, value) {
    out.text(toJsonb(value), 1);
  },
  numeric(out, value) {
    out.numeric(value);
  },
  timestamptz(out, value) {
    out.int32(8);
    const micros = value instanceof Date ? BigInt(value.getTime()) * 1_000n : value;
    out.int64(micros - postgresEpochMicros);
  },
};

/** A growing buffer of big-endian numbers and bytes. */
class Writer {
  #buffer = Buffer.allocUnsafe(chunkBytes * 2);
  length = 0;

  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.length);
    this.#buffer = Buffer.allocUnsafe(chunkBytes * 2);
    this.length = 0;
    return taken;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.length++] = value;
  }

  int16(value: number): void {
    this.#reserve(2);
    this.length = this.#buffer.writeInt16BE(value, this.length);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.length = this.#buffer.writeInt32BE(value, this.length);
  }

  int64(value: bigint): void {
    this.#reserve(8);
    this.length = this.#buffer.writeBigInt64BE(value, this.length);
  }

  /** @throws RangeError  the number is not an integer that a double represents exactly */
  int64OfNumber(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer.`);
    this.#reserve(8);
    const high = Math.floor(value / 2 ** 32);
    this.length = this.#buffer.writeInt32BE(high, this.length);
    this.length = this.#buffer.writeUInt32BE(value - high * 2 ** 32, this.length);
  }

  /** Text, preceded by its length in bytes. `version` is the leading byte of a jsonb value. */
  text(value: string, version?: number): void {
    const extra = version === undefined ? 0 : 1;
    this.#reserve(4 + extra + value.length * 3);
    const start = this.length + 4 + extra;
    const written = this.#buffer.write(value, start, 'utf8');
    this.#buffer.writeInt32BE(written + extra, this.length);
    if (version !== undefined) this.#buffer[start - 1] = version;
    this.length = start + written;
  }

  /**
   * A decimal in Postgres's format: groups of four digits, and the weight of the first.
   *
   * @throws RangeError  not a decimal
   */
  numeric(value: string): void {
    const { negative, digits, weight, scale } = toGroups(value);
    this.int32(8 + digits.length * 2);
    this.int16(digits.length);
    this.int16(weight);
    this.int16(negative ? 0x4000 : 0);
    this.int16(scale);
    for (const digit of digits) this.int16(digit);
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}

interface Groups {
  negative: boolean;
  /** Base 10,000, most significant first. */
  digits: number[];
  /** The first group's power of 10,000. */
  weight: number;
  /** Decimal places. */
  scale: number;
}

const decimalText = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/;

function toGroups(value: string): Groups {
  const match = decimalText.exec(value);
  if (!match) throw new RangeError(`${value} is not a decimal number.`);
  const [, sign, whole, fraction = '', power = '0'] = match;
  const shift = Number(power);
  let integer = whole + fraction.slice(0, Math.max(0, shift)).padEnd(Math.max(0, shift), '0');
  let decimals = fraction.slice(Math.max(0, shift));
  if (shift < 0) {
    const padded = integer.padStart(-shift + 1, '0');
    integer = padded.slice(0, shift);
    decimals = padded.slice(shift) + decimals;
  }
  const scale = decimals.length;
  integer = integer.replace(/^0+/, '');
  const left = integer.padStart(Math.ceil(integer.length / 4) * 4, '0');
  const right = decimals.padEnd(Math.ceil(scale / 4) * 4, '0');
  const digits = ((left + right).match(/\d{4}/g) ?? []).map(Number);
  let weight = left.length / 4 - 1;
  while (digits.length > 0 && digits[0] === 0) {
    digits.shift();
    weight--;
  }
  while (digits.at(-1) === 0) digits.pop();
  return { negative: sign === '-' && digits.length > 0, digits, weight: digits.length === 0 ? 0 : weight, scale };
}
