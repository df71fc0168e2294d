/** A database role that functions connect as. Its rights and timeouts are in `shared/db/roles.ts`. */
export type DatabaseRole = 'owner' | 'writer' | 'worker' | 'reader';

/** How many times a message is received before it moves to the dead-letter queue. */
export const maxReceives = 5;

/** Permissions of a function beyond the database and Redis. */
export type Grant =
  /** Put events on the bus. */
  | 'putEvents'
  /** Inspect and redrive every queue. */
  | 'operateQueues'
  /** Start jobs in every domain. */
  | 'startJobs'
  /** Read the secrets of all database roles. */
  | 'roleSecrets'
  /** Read the files of the archive. The API of a domain with tiered tables has it. */
  | 'readArchive'
  /** Read, write, and delete the files of the archive. */
  | 'writeArchive'
  /** Read the hash of the operator's token. */
  | 'adminToken';

export interface FunctionSettings {
  memoryMb?: number;
  timeoutSeconds?: number;
  /** Limit of Node's heap, if memory was raised only for its CPU share. */
  heapMb?: number;
  grants?: readonly Grant[];
  /** Files and folders deployed with its code: path in the project → path in the bundle. */
  files?: Readonly<Record<string, string>>;
}

/** What invokes a function. */
export type Invocation =
  /** Its own queue, which has the function's name. With `schedule`, a message is also sent on that schedule. */
  | { by: 'queue'; maxConcurrency: number; schedule?: string }
  /** Every event on the bus, through its own queue; with `againAfterSeconds`, again through a second queue. */
  | { by: 'events'; maxConcurrency: number; againAfterSeconds?: number }
  | { by: 'schedule'; schedule: string }
  /** Each deployment: before all other functions get their new code, or after everything else. */
  | { by: 'deployment'; when: 'before' | 'after' }
  /** The gateway, to authorize the operator. */
  | { by: 'authorizer' };

/** A function in addition to a domain's `api` and `etl`. Its file has its name. */
export interface FunctionDeclaration extends FunctionSettings {
  summary: string;
  invoked: Invocation;
  /** The role for reads and the role for transactions. A function with neither runs outside the network. */
  roles?: { reads?: DatabaseRole; writes?: DatabaseRole };
  redis?: boolean;
  /** Connections per container to each host. Default 2. */
  poolSize?: number;
}
