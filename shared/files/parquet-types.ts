/** How the values of a Parquet column become text. */
import type { ParquetParsers, SchemaElement, SchemaTree } from 'hyparquet';
import { InvalidInput } from '../kernel/errors.ts';

const unsupported = new Set([
  'TIME',
  'TIME_MILLIS',
  'TIME_MICROS',
  'INTERVAL',
  'BSON',
  'VARIANT',
  'GEOMETRY',
  'GEOGRAPHY',
]);
const known = new Set([
  ...['STRING', 'MAP', 'LIST', 'ENUM', 'DECIMAL', 'DATE', 'TIMESTAMP', 'INTEGER', 'NULL', 'JSON', 'UUID', 'FLOAT16'],
  ...unsupported,
]);
const maxPrecision = 76;

/** @throws InvalidInput  a column has a type that cannot be read; names it */
export function assertSupported({ element, path, children }: SchemaTree): void {
  const logical =
    element.logical_type && (known.has(element.logical_type.type) ? element.logical_type.type : 'unknown');
  const type = [logical, element.converted_type].find((one) => one === 'unknown' || unsupported.has(one ?? ''));
  if (type !== undefined)
    throw new InvalidInput(`The column ${path.join('.')} has the Parquet type ${type}. Write it as text.`);
  const decimal = decimalOf(element);
  if (decimal && !(decimal.scale >= 0 && decimal.scale <= decimal.precision && decimal.precision <= maxPrecision))
    throw new InvalidInput(
      `The column ${path.join('.')} is DECIMAL(${decimal.precision}, ${decimal.scale}). The limit is ${maxPrecision} digits.`,
    );
  children.forEach(assertSupported);
}

/** A column's decimal type. hyparquet reads decimals as doubles, so they are read as integers and scaled here. */
export function decimalOf(element: SchemaElement): { scale: number; precision: number } | undefined {
  const logical = element.logical_type;
  if (logical?.type === 'DECIMAL') return { scale: logical.scale ?? 0, precision: logical.precision };
  if (element.converted_type !== 'DECIMAL') return undefined;
  return { scale: element.scale ?? 0, precision: element.precision ?? 0 };
}

/** The text of an unscaled decimal: an integer, or its bytes in two's complement, big-endian. */
export function decimalText(unscaled: number | bigint | Uint8Array, scale: number): string {
  const value = unscaled instanceof Uint8Array ? integerOf(unscaled) : BigInt(unscaled);
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return value < 0n ? `-${text}` : text;
}

function integerOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

/** The shortest text that is the same 32-bit float: 0.1, not 0.10000000149011612. */
export function floatText(value: number): string {
  for (let precision = 6; precision < 9; precision++) {
    const short = Number(value.toPrecision(precision));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}

/** Bytes without a type of their own: an address, a hash. */
export function hexText(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const textOf = (bytes: Uint8Array) => utf8.decode(bytes);

/** Reads values to their full precision. Bytes that are not UTF-8 are an error. */
export const parsers: Partial<ParquetParsers> = {
  stringFromBytes: textOf,
  jsonFromBytes: textOf,
  dateFromDays: (days) => timeText(BigInt(days) * 86_400n, 0n, 0).slice(0, -'T00:00:00Z'.length),
  timestampFromMilliseconds: (value) => timeText(...divided(value, 1_000n), 3),
  timestampFromMicroseconds: (value) => timeText(...divided(value, 1_000_000n), 6),
  timestampFromNanoseconds: (value) => timeText(...divided(value, 1_000_000_000n), 9),
};

/** Rounds toward the past, so that the rest is not negative. */
function divided(value: bigint, unit: bigint): [bigint, bigint] {
  const rest = ((value % unit) + unit) % unit;
  return [(value - rest) / unit, rest];
}

/** ISO 8601. A time beyond the years of a Date becomes text that no schema takes for a time. */
function timeText(seconds: bigint, fraction: bigint, digits: number): string {
  const date = new Date(Number(seconds) * 1_000);
  if (Number.isNaN(date.getTime())) return `${seconds} seconds since 1970-01-01T00:00:00Z`;
  const text = date.toISOString().slice(0, -'.000Z'.length);
  return digits === 0 ? `${text}Z` : `${text}.${String(fraction).padStart(digits, '0')}Z`;
}
