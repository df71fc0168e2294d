/**
 * The error hierarchy. It is independent of transport: the mappers in `shared/http`, `shared/events`, and `shared/jobs`
 * decide how a code becomes an HTTP status, a redelivery, or a job outcome.
 */
export type ErrorCode =
  | 'invalid_input'
  | 'unauthorized'
  | 'not_found'
  | 'conflict'
  | 'rate_limited'
  | 'upstream'
  | 'deadline'
  | 'unavailable'
  | 'integrity'
  | 'config';

export interface ErrorOptions {
  cause?: unknown;
  /** What a caller needs to act: the field, the limit, the id. Never a secret. */
  details?: Record<string, unknown>;
}

/** The base class of every error that Tributary throws on purpose. Any other error is a bug. */
export class TributaryError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, retryable: boolean, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
    this.details = options.details ?? {};
  }
}

/** A rejected value: its location (`query.pageSize`, `row.token_id`) and what is wrong with it. */
export interface FieldProblem {
  field: string;
  message: string;
}

/** The input is invalid. Not retryable. */
export class InvalidInput extends TributaryError {
  readonly fields: FieldProblem[];

  constructor(message: string, fields: FieldProblem[] = [], options: ErrorOptions = {}) {
    super('invalid_input', false, message, options);
    this.fields = fields;
  }
}

/** The caller is not authenticated, or a signature does not match. Not retryable. */
export class Unauthorized extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('unauthorized', false, message, options);
  }
}

/** The requested thing does not exist. Not retryable. */
export class NotFound extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('not_found', false, message, options);
  }
}

/** The current state does not allow it: a duplicate, a job that has already ended. Not retryable. */
export class Conflict extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('conflict', false, message, options);
  }
}

/** Another run took over the work, or it was cancelled: this run must stop and write nothing more. */
export class Superseded extends Conflict {}

/** Another run is doing this work. Retryable after `retryAfterSeconds`. */
export class Busy extends TributaryError {
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number, options?: ErrorOptions) {
    super('conflict', true, message, options);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A rate limit was hit: ours (`side: 'ours'`) or an upstream's. Retryable after `retryAfterSeconds`. */
export class RateLimited extends TributaryError {
  readonly side: 'ours' | 'upstream';
  readonly retryAfterSeconds: number;

  constructor(message: string, side: 'ours' | 'upstream', retryAfterSeconds: number, options?: ErrorOptions) {
    super('rate_limited', true, message, options);
    this.side = side;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** An upstream failed or sent an invalid response. Retryable. */
export class Upstream extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('upstream', true, message, options);
  }
}

/** An upstream no longer knows a page key or the like: read again from the start. Retryable. */
export class PositionExpired extends Upstream {}

/** A response exceeds the limit: ask for less. Not retryable. */
export class ResponseTooLarge extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('upstream', false, message, options);
  }
}

/** Time ran out. Retryable; a job resumes from its checkpoint. */
export class Deadline extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('deadline', true, message, options);
  }
}

/** A service of ours is unavailable: the database, Redis, a queue, a bucket. Retryable. */
export class Unavailable extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', true, message, options);
  }
}

/** The data violates an invariant. Not retryable; someone has to investigate. */
export class Integrity extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('integrity', false, message, options);
  }
}

/** A setting is missing or invalid. Not retryable. */
export class Config extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('config', false, message, options);
  }
}
