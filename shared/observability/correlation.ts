import { AsyncLocalStorage } from 'node:async_hooks';
import { ulid } from '../kernel/ulid.ts';

const current = new AsyncLocalStorage<string>();

/** Runs `work` under the correlation id of the request or event that caused it, or under a new one. */
export function withCorrelation<T>(id: string | undefined, work: () => T): T {
  return current.run(id ?? ulid(), work);
}

/** Sets the correlation id for the rest of the current invocation. */
export function enterCorrelation(id: string | undefined): void {
  current.enterWith(id ?? ulid());
}

/** The correlation id of the current work, or a new one. */
export function correlationId(): string {
  return current.getStore() ?? ulid();
}
