import { AsyncLocalStorage } from 'node:async_hooks';
import { ulid } from '../kernel/ulid.ts';

const current = new AsyncLocalStorage<string>();

/** Runs `work` under a correlation id: that of the request or event that caused it. */
export function withCorrelation<T>(id: string | undefined, work: () => T): T {
  return current.run(id ?? ulid(), work);
}

/** Puts the rest of the current invocation under a correlation id. */
export function enterCorrelation(id: string | undefined): void {
  current.enterWith(id ?? ulid());
}

/** The correlation id of the current work, or a new one. */
export function correlationId(): string {
  return current.getStore() ?? ulid();
}
