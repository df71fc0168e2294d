import { AsyncLocalStorage } from 'node:async_hooks';
import { ulid } from '../kernel/ulid.ts';

const current = new AsyncLocalStorage<string>();

/** Runs `work` under a correlation id: the id of the request or event that everything done in it was caused by. */
export function withCorrelation<T>(id: string | undefined, work: () => T): T {
  return current.run(id ?? ulid(), work);
}

/** The id of what is being worked on; outside of any work a new one. */
export function correlationId(): string {
  return current.getStore() ?? ulid();
}
