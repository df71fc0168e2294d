/** A database role that functions connect as. Its rights and timeouts are in `shared/db/roles.ts`. */
export type DatabaseRole = 'owner' | 'writer' | 'worker' | 'reader';

/** How often a message is received before it moves to the dead-letter queue. */
export const maxReceives = 5;

/** What a function may use beyond the database and Redis. */
export type Grant =
  /** Put events on the bus. */
  | 'putEvents'
  /** Look into every queue and redrive it. */
  | 'operateQueues'
  /** Start the jobs of every domain. */
  | 'startJobs'
  /** Read the secrets of all database roles. */
  | 'roleSecrets'
  /** Read the hash of the operator's token. */
  | 'adminToken';

export interface FunctionSettings {
  memoryMb?: number;
  timeoutSeconds?: number;
  /** Node's heap, where it must be smaller than memory allows: CPU comes with memory. */
  heapMb?: number;
  grants?: readonly Grant[];
  /** Files and folders deployed beside its code: path in the project → path in the bundle. */
  files?: Readonly<Record<string, string>>;
}

/** What invokes a function. */
export type Invocation =
  /** A queue of its own, named as the function. With `schedule`, a message is also sent by the clock. */
  | { by: 'queue'; maxConcurrency: number; schedule?: string }
  /** Every event on the bus, through a queue of its own; with `againAfterSeconds`, once more through a second queue. */
  | { by: 'events'; maxConcurrency: number; againAfterSeconds?: number }
  | { by: 'schedule'; schedule: string }
  /** Each deployment: before all other functions get their new code, or after everything. */
  | { by: 'deployment'; when: 'before' | 'after' }
  /** The gateway, to authorize the operator. */
  | { by: 'authorizer' };

/** A function of its own, beside a domain's `api` and `etl`; its file has its name. */
export interface FunctionDeclaration extends FunctionSettings {
  summary: string;
  invoked: Invocation;
  /** The role for reads and the role for transactions. A function with neither runs outside the network. */
  roles?: { reads?: DatabaseRole; writes?: DatabaseRole };
  redis?: boolean;
  /** Connections per container to each host. Default 2. */
  poolSize?: number;
}
