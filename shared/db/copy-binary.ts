/** Postgres's binary COPY format, as far as staging needs it: a header, then per row its fields with their lengths. */

export type ColumnType =
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'boolean'
  | 'text'
  | 'bytea'
  | 'timestamptz'
  | 'numeric'
  | 'jsonb';

const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');

/** What a COPY … (FORMAT binary) begins with. */
export const copyHeader = Buffer.concat([signature, Buffer.alloc(8)]);

/** What it ends with. */
export const copyTrailer = Buffer.from([0xff, 0xff]);

const nullField = Buffer.from([0xff, 0xff, 0xff, 0xff]);

/** The fields of one row, in the order of their types; null and undefined are NULL. */
export function encodeRow(types: readonly ColumnType[], values: readonly unknown[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(types.length);
  const parts = [count];
  for (const [i, type] of types.entries()) {
    const value = values[i];
    if (value === null || value === undefined) {
      parts.push(nullField);
      continue;
    }
    const field = encoders[type](value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(field.length);
    parts.push(length, field);
  }
  return Buffer.concat(parts);
}

const encoders: Record<ColumnType, (value: unknown) => Buffer> = {
  smallint: (value) => {
    const field = Buffer.alloc(2);
    field.writeInt16BE(Number(value));
    return field;
  },
  integer: (value) => {
    const field = Buffer.alloc(4);
    field.writeInt32BE(Number(value));
    return field;
  },
  bigint: (value) => int64(BigInt(value as string | number | bigint)),
  boolean: (value) => Buffer.from([value ? 1 : 0]),
  text: (value) => Buffer.from(value as string, 'utf8'),
  bytea: (value) => Buffer.from(value as Uint8Array),
  timestamptz: (value) => int64((BigInt((value as Date).getTime()) - epoch2000Ms) * 1_000n),
  numeric: (value) => encodeNumeric(String(value)),
  jsonb: (value) => Buffer.concat([Buffer.from([1]), Buffer.from(JSON.stringify(value), 'utf8')]),
};

const epoch2000Ms = 946_684_800_000n;

function int64(value: bigint): Buffer {
  const field = Buffer.alloc(8);
  field.writeBigInt64BE(value);
  return field;
}

/** A decimal text as `numeric`: digits in base 10,000, the weight of the first, the sign, the scale. */
function encodeNumeric(text: string): Buffer {
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = (negative ? text.slice(1) : text).split('.') as [string, string?];
  const wholeDigits = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const digits = (wholeDigits + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0')).match(/.{4}/g) ?? [];
  const groups = digits.map(Number);
  let weight = wholeDigits.length / 4 - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.length > 0 && groups.at(-1) === 0) groups.pop();
  const field = Buffer.alloc(8 + groups.length * 2);
  field.writeInt16BE(groups.length, 0);
  field.writeInt16BE(groups.length === 0 ? 0 : weight, 2);
  field.writeUInt16BE(negative && groups.length > 0 ? 0x4000 : 0, 4);
  field.writeInt16BE(fraction.length, 6);
  for (const [i, group] of groups.entries()) field.writeInt16BE(group, 8 + i * 2);
  return field;
}
