import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { Transaction } from './transaction.ts';

export type StagedValue = string | number | bigint | boolean | Date | Uint8Array | null | undefined;

const bytesAChunk = 64 * 1024;

/**
 * Puts rows into a new temporary table, which goes with the transaction: the first step of every write in bulk. What
 * stands already is then joined out, and the rest inserted in the order of its key.
 *
 * @param columns  name → SQL type; names are the code's own, never a caller's
 */
export async function stageRows(
  tx: Transaction,
  table: string,
  columns: Record<string, string>,
  rows: Iterable<readonly StagedValue[]>,
): Promise<void> {
  const names = Object.keys(columns);
  await tx.query(`drop table if exists pg_temp.${table}`);
  await tx.query(
    `create temporary table ${table} (position serial, ${names.map((name) => `${name} ${columns[name]}`).join(', ')}) on commit drop`,
  );
  const copy = tx.query(copyFrom(`copy pg_temp.${table} (${names.join(', ')}) from stdin`));
  await pipeline(Readable.from(chunks(rows)), copy);
  await tx.query(`analyze pg_temp.${table}`);
}

function* chunks(rows: Iterable<readonly StagedValue[]>): Iterable<string> {
  let chunk = '';
  for (const row of rows) {
    chunk += `${row.map(toCopyText).join('\t')}\n`;
    if (chunk.length > bytesAChunk) {
      yield chunk;
      chunk = '';
    }
  }
  yield chunk;
}

const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function toCopyText(value: StagedValue): string {
  if (value === null || value === undefined) return '\\N';
  if (value instanceof Uint8Array)
    return `\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  if (value instanceof Date) return value.toISOString();
  // Postgres has no text with a NUL in it
  return String(value)
    .replace(/[\\\t\n\r]/g, (one) => escapes[one]!)
    .replaceAll('\0', '');
}
