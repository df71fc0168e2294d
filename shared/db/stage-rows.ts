import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import sql, { raw, type Sql } from 'sql-template-tag';
import { type ColumnType, copyHeader, copyTrailer, encodeRow } from './copy-binary.ts';
import type { Transaction } from './transaction.ts';

/**
 * Up to this many rows travel as one JSON parameter: a temp table costs more than it saves then, and would pin the
 * connections of the API's proxy, which takes webhooks of that size.
 */
const inlineLimit = 200;
const chunkBytes = 65_536;
let staged = 0;

export type StagedRow<Columns extends Record<string, ColumnType>> = { [Name in keyof Columns]?: unknown };

/**
 * Rows as something a statement of the same transaction can select from: `select … from ${staged} s`.
 *
 * Its columns are those given and `ordinal integer`, the row's place from 0. Many rows go through a binary COPY into a
 * temp table that ends with the transaction, few as a parameter. Values: `Date` for timestamptz, bytes for bytea, decimal
 * texts for numeric and bigint, anything for jsonb; null and undefined are NULL. What follows is the caller's: dedupe,
 * join out what is unchanged, one sorted insert.
 *
 * @source docs of measured upserts: COPY, then join out the unchanged, is the fastest way from 100 rows on
 */
export async function stageRows<Columns extends Record<string, ColumnType>>(
  tx: Transaction,
  columns: Columns,
  rows: readonly StagedRow<Columns>[],
): Promise<Sql> {
  const names = ['ordinal', ...Object.keys(columns)];
  const types: ColumnType[] = ['integer', ...Object.values(columns)];
  const definition = names.map((name, i) => `"${name}" ${types[i]}`).join(', ');
  if (rows.length <= inlineLimit) {
    const json = JSON.stringify(rows.map((row, ordinal) => toJson(names, { ...row, ordinal })));
    return sql`(select * from jsonb_to_recordset(${json}::jsonb) as r(${raw(definition)}))`;
  }
  const table = `staged_${++staged}`;
  await tx.query(`create temp table ${table} (${definition}) on commit drop`);
  const copy = tx.query(copyFrom(`copy ${table} from stdin (format binary)`));
  await pipeline(Readable.from(encodeAll(names, types, rows)), copy);
  await tx.query(`analyze ${table}`);
  return raw(`pg_temp.${table}`);
}

function* encodeAll(names: string[], types: ColumnType[], rows: readonly Record<string, unknown>[]): Generator<Buffer> {
  let chunk: Buffer[] = [copyHeader];
  let bytes = 0;
  for (const [ordinal, row] of rows.entries()) {
    const encoded = encodeRow(
      types,
      names.map((name) => (name === 'ordinal' ? ordinal : row[name])),
    );
    chunk.push(encoded);
    bytes += encoded.length;
    if (bytes < chunkBytes) continue;
    yield Buffer.concat(chunk);
    chunk = [];
    bytes = 0;
  }
  yield Buffer.concat([...chunk, copyTrailer]);
}

function toJson(names: string[], row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, jsonValue(row[name])]));
}

function jsonValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'bigint') return value.toString();
  return value ?? null;
}
