/** What identifies the rows of a month: their number, the sums of their columns, and a hash of every value in order. */
import { createHash, type Hash } from 'node:crypto';
import { decimalText } from '../files/parquet-types.ts';
import { type Batch, rowsIn } from './batch.ts';
import type { FileColumn } from './columns.ts';

export interface Content {
  rows: number;
  /** Of whole numbers and decimals, by column, as decimal text. */
  sums: Record<string, string>;
  /** SHA-256, in hex. It is over the columns, each with its values in the order of the rows. */
  hash: string;
}

/** Collects the content of batches in order. How rows are cut into batches makes no difference. */
export class ContentOf {
  #rows = 0;
  readonly #columns: readonly FileColumn[];
  readonly #hashes: { values: Hash; nulls: Hash }[];
  readonly #sums: bigint[];

  constructor(columns: readonly FileColumn[]) {
    this.#columns = columns;
    this.#hashes = columns.map(() => ({ values: createHash('sha256'), nulls: createHash('sha256') }));
    this.#sums = columns.map(() => 0n);
  }

  add(batch: Batch): void {
    this.#rows += rowsIn(batch);
    for (const [i, column] of this.#columns.entries()) {
      const { values: hash, nulls } = this.#hashes[i]!;
      const values = column.isRequired ? batch[i]! : withoutNulls(batch[i]!, nulls);
      if (values.length === 0) continue;
      hash.update(bytesOf(column, values));
      this.#sums[i]! += sumOf(column, values);
    }
  }

  /** Call it once, at the end. */
  content(): Content {
    const sums = this.#columns.flatMap(({ name, kind, scale }, i) =>
      isSummed(kind) ? [[name, shortest(decimalText(this.#sums[i]!, scale))] as const] : [],
    );
    const hash = createHash('sha256').update(JSON.stringify(this.#columns));
    for (const { values, nulls } of this.#hashes) hash.update(values.digest()).update(nulls.digest());
    return { rows: this.#rows, sums: Object.fromEntries(sums), hash: hash.digest('hex') };
  }
}

/** Without zeros at the end of the fraction, as Postgres' `trim_scale`. */
export function shortest(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}

function isSummed(kind: FileColumn['kind']): boolean {
  return kind === 'integer' || kind === 'bigint' || kind === 'decimal';
}

/** The values that are not null. Which ones are, goes into `hash`. */
function withoutNulls(values: unknown[], hash: Hash): unknown[] {
  const flags = Buffer.alloc(values.length);
  const found: unknown[] = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] === null) flags[i] = 1;
    else found.push(values[i]);
  }
  hash.update(flags);
  return found;
}

function sumOf({ kind }: FileColumn, values: unknown[]): bigint {
  if (kind === 'integer') {
    let sum = 0;
    for (const value of values as number[]) sum += value;
    return BigInt(sum);
  }
  if (!isSummed(kind)) return 0n;
  let sum = 0n;
  for (const value of values as bigint[]) sum += value;
  return sum;
}

function bytesOf({ kind, isWide }: FileColumn, values: unknown[]): Uint8Array | string {
  switch (kind) {
    case 'integer':
      return bytesIn(Int32Array.from(values as number[]));
    case 'boolean':
      return Buffer.from((values as boolean[]).map(Number));
    case 'text':
      // Postgres stores no NUL
      return `${values.join('\0')}\0`;
    default:
      return bytesIn(isWide ? wideWords(values as bigint[]) : words(values as bigint[]));
  }
}

function words(values: bigint[]): BigInt64Array {
  const all = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) all[i] = values[i]!;
  return all;
}

function wideWords(values: bigint[]): BigInt64Array {
  const all = new BigInt64Array(values.length * 2);
  for (let i = 0; i < values.length; i++) {
    all[2 * i] = values[i]! >> 64n;
    all[2 * i + 1] = BigInt.asIntN(64, values[i]!);
  }
  return all;
}

function bytesIn(array: Int32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
