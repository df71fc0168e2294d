import { Conflict, Deadline, Integrity, InvalidInput, TributaryError, Unavailable } from '../kernel/errors.ts';

/** SQLSTATE classes and codes after which the same statement may succeed later. */
const retryable = /^(08|53|57P|55P03|40001|40P01|25006)/;

/**
 * Translates a driver error into one of ours, based on its SQLSTATE. A lost or refused connection becomes Unavailable.
 * Any other error is returned unchanged; it is a bug.
 */
export function translateDatabaseError(cause: unknown): unknown {
  if (cause instanceof TributaryError || !(cause instanceof Error)) return cause;
  const { code, constraint } = cause as { code?: string; constraint?: string };
  if (code === undefined) return isConnectionError(cause) ? unavailable(cause) : cause;
  if (code === '57014' || code === '25P04') return new Deadline('The database query timed out.', { cause });
  if (retryable.test(code) || isConnectionError(cause)) return unavailable(cause);
  if (code === '23505') return new Conflict('The row already exists.', { cause, details: { constraint } });
  if (code.startsWith('23'))
    return new Integrity('A database constraint was violated.', { cause, details: { constraint } });
  if (code.startsWith('22')) return new InvalidInput('A value is invalid for its column.', [], { cause });
  return cause;
}

/** Whether a server refused a write because it is now a replica: it was the primary when the connection was made. */
export function isDemotion(error: unknown): boolean {
  return (error as { code?: string }).code === '25006';
}

/** Whether the connection itself failed, so that another host may still respond. */
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
