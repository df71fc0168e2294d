import { Conflict, Deadline, Integrity, InvalidInput, TributaryError, Unavailable } from '../kernel/errors.ts';

/** Classes and codes of SQLSTATE that mean: the same statement may succeed later. */
const retryable = /^(08|53|57P|55P03|40001|40P01|25006)/;

/**
 * What an error of the driver means in our tree: the SQLSTATE decides; a lost or refused connection is Unavailable.
 * What is none of these is given back as it is, and is a bug.
 */
export function translateDatabaseError(cause: unknown): unknown {
  if (cause instanceof TributaryError || !(cause instanceof Error)) return cause;
  const { code, constraint } = cause as { code?: string; constraint?: string };
  if (code === undefined) return isConnectionError(cause) ? unavailable(cause) : cause;
  if (code === '57014' || code === '25P04') return new Deadline('The database took too long.', { cause });
  if (retryable.test(code) || isConnectionError(cause)) return unavailable(cause);
  if (code === '23505') return new Conflict('It is there already.', { cause, details: { constraint } });
  if (code.startsWith('23'))
    return new Integrity('It contradicts a rule of the data.', { cause, details: { constraint } });
  if (code.startsWith('22')) return new InvalidInput('A value does not fit its column.', [], { cause });
  return cause;
}

/** Whether a server refused a write because it is a replica: it was the writer when the connection was made. */
export function isDemotion(error: unknown): boolean {
  return (error as { code?: string }).code === '25006';
}

/** Whether the connection itself failed, so that another host may still answer. */
export function isConnectionError(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string };
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENOTFOUND|EAI_|08|57P)/.test(code ?? '') ||
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout/.test(
      message,
    )
  );
}

function unavailable(cause: unknown): Unavailable {
  return new Unavailable('The database is unavailable.', { cause });
}
