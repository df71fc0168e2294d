import { TributaryError } from '../kernel/errors.ts';
import { translateDatabaseError } from './errors.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** More refused rows than this are a fault of the source or of our code, not of the rows. */
const maxRefused = 50;

/** Whether a write failed because of a value: it does not fit its column, or violates a constraint. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof TributaryError ? error.cause : error;
  const { code = '', constraint } = (cause ?? {}) as { code?: string; constraint?: string };
  // a row for which no partition exists has the same code, and is not at fault
  if (code === '23514' && constraint === undefined) return false;
  // values are encoded before they are sent
  return cause instanceof RangeError || /^2[23]/.test(code);
}

/**
 * The rows that the tables refuse, with the reasons: those that `write` fails on alone. Tries the rows in halves, each in
 * a transaction that is rolled back. Empty if no row fails alone, or if more than 50 do.
 */
export async function findRefused<Row>(
  rows: readonly Row[],
  write: (tx: Transaction, rows: Row[]) => Promise<unknown>,
): Promise<Map<Row, string>> {
  const refused = new Map<Row, string>();
  const search = async (part: readonly Row[]): Promise<void> => {
    if (part.length === 0 || refused.size > maxRefused) return;
    const error = await tryWrite((tx) => write(tx, [...part]));
    if (error === undefined) return;
    if (!isRefusal(error)) throw error;
    if (part.length === 1) return void refused.set(part[0]!, reasonOf(error));
    const middle = Math.ceil(part.length / 2);
    await search(part.slice(0, middle));
    await search(part.slice(middle));
  };
  await search(rows);
  return refused.size > maxRefused ? new Map() : refused;
}

/** The error of a write, which is rolled back in any case. */
async function tryWrite(write: (tx: Transaction) => Promise<unknown>): Promise<unknown> {
  const rollback = new Error('rollback');
  return inTransaction(async (tx) => {
    await write(tx);
    throw rollback;
  }).catch((error: unknown) => (error === rollback ? undefined : translateDatabaseError(error)));
}

/** What Postgres or the encoder said, which names the column or constraint. */
function reasonOf(error: unknown): string {
  const cause = error instanceof TributaryError ? error.cause : error;
  return `does not fit the table: ${(cause as Error).message}`;
}
