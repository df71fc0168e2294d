/**
 * The one tree of errors. Transport is not in it: how a code becomes an HTTP status, a queue decision or a job
 * outcome is decided by the mappers in `shared/http`, `shared/events` and `shared/jobs`.
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
  /** What a caller can use to act: the field, the limit, the id. Never a secret. */
  details?: Record<string, unknown>;
}

/** The base of every error Tributary throws on purpose; anything else that is thrown is a bug. */
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

/** One rejected value: where it was (`query.pageSize`, `row.token_id`) and what would have been right. */
export interface FieldProblem {
  field: string;
  message: string;
}

/** The caller sent something that cannot be right. Not retryable. */
export class InvalidInput extends TributaryError {
  readonly fields: FieldProblem[];

  constructor(message: string, fields: FieldProblem[] = [], options: ErrorOptions = {}) {
    super('invalid_input', false, message, options);
    this.fields = fields;
  }
}

/** Who asks is not known, or a signature does not match. Not retryable. */
export class Unauthorized extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('unauthorized', false, message, options);
  }
}

/** What was asked for does not exist. Not retryable. */
export class NotFound extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('not_found', false, message, options);
  }
}

/** It contradicts what stands: a lease held by another, a state that does not allow it. Not retryable as it is. */
export class Conflict extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('conflict', false, message, options);
  }
}

/** Another run does this work, or it was called off: this one leaves and writes nothing more. */
export class Superseded extends Conflict {}

/** A budget is used up: ours (`side: 'ours'`) or an upstream's. Retryable after `retryAfterSeconds`. */
export class RateLimited extends TributaryError {
  readonly side: 'ours' | 'upstream';
  readonly retryAfterSeconds: number;

  constructor(message: string, side: 'ours' | 'upstream', retryAfterSeconds: number, options?: ErrorOptions) {
    super('rate_limited', true, message, options);
    this.side = side;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A third party answered wrongly or not at all. Retryable. */
export class Upstream extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('upstream', true, message, options);
  }
}

/** The time given was not enough. Retryable; a job stops at its checkpoint. */
export class Deadline extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('deadline', true, message, options);
  }
}

/** One of our own parts is not to be had: the database, a queue, a file. Retryable. */
export class Unavailable extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', true, message, options);
  }
}

/** Data contradicts an invariant. Not retryable, and somebody has to look. */
export class Integrity extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('integrity', false, message, options);
  }
}

/** A setting is missing or wrong: the function does not start. */
export class Config extends TributaryError {
  constructor(message: string, options?: ErrorOptions) {
    super('config', false, message, options);
  }
}
