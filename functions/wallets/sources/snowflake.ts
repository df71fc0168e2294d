/**
 * A client for Snowflake's SQL API v2: submits statements, waits for them, and reads their results partition by partition.
 * Responses are validated.
 *
 * A statement is submitted with a request id. Submitting the same id again finds the same statement, so a lost response
 * or a run that was cut off starts nothing twice. Snowflake stores results for a day.
 */
import { importPKCS8, SignJWT } from 'jose';
import * as z from 'zod';
import { Deadline, InvalidInput, NotFound, Upstream } from '../../../shared/kernel/errors.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { snowflake } from '../../upstreams/snowflake.ts';

type SnowflakeConnection = Connection<typeof snowflake>;

/** A value as the API returns it: digits, text, or seconds since 1970 as a string; or null. */
export type Cell = string | null;

export interface Statement {
  text: string;
  /** The values of its `?` placeholders, in order. */
  bindings: readonly string[];
  /** A UUID. The same id always refers to the same statement. */
  requestId: string;
}

/** The result of a finished statement. */
export interface ResultSet {
  handle: string;
  columns: { name: string; type: string }[];
  /** The number of rows in each partition. */
  partitions: number[];
  /** When the statement was submitted. The data is at least this recent. */
  createdAt: Date;
  /** The rows of the first partition. Undefined if they arrived incomplete and must be fetched. */
  first: Cell[][] | undefined;
}

export interface Snowflake {
  /**
   * Runs a statement.
   *
   * @throws InvalidInput  Snowflake rejected it; the message has the reason
   * @throws Deadline      it did not finish in time (retryable)
   */
  run(statement: Statement, deadline: Date): Promise<ResultSet>;
  /** The result of an earlier statement, by its handle. Undefined if Snowflake no longer has it. */
  find(handle: string, deadline: Date): Promise<ResultSet | undefined>;
  /** The rows of a partition. @throws Upstream  the partition is incomplete (retryable) */
  fetchPartition(result: ResultSet, partition: number): Promise<Cell[][]>;
}

const rows = z.array(z.array(z.string().nullable()));
const resultSet = z.object({
  statementHandle: z.string(),
  createdOn: z.number().optional(),
  resultSetMetaData: z.object({
    numRows: z.number().int(),
    rowType: z.array(z.object({ name: z.string(), type: z.string() })),
    partitionInfo: z.array(z.object({ rowCount: z.number().int() })).optional(),
  }),
  data: rows,
});
const pending = z.object({ statementHandle: z.string() });
const partition = z.object({ data: rows });

const statementTimeoutSeconds = 600;
const tokenTtlSeconds = 3_600;
const minPollMs = 250;
const maxPollMs = 5_000;
const partitionAttempts = 3;

/** The Snowflake client of this container. */
export function getSnowflake(): Promise<Snowflake> {
  return connectUpstream(snowflake, createSnowflake);
}

/** Creates a Snowflake client. */
export function createSnowflake({ baseUrl, credentials, request, expect }: SnowflakeConnection): Snowflake {
  const getToken = createTokenSource(credentials);
  const call = async (operation: string, path: string | ((attempt: number) => string), body?: unknown) =>
    request({
      operation,
      url: typeof path === 'string' ? baseUrl + path : (attempt) => baseUrl + path(attempt),
      headers: {
        authorization: `Bearer ${await getToken()}`,
        'x-snowflake-authorization-token-type': 'KEYPAIR_JWT',
        'user-agent': 'tributary/1',
      },
      ...(body === undefined ? {} : { body }),
    });

  /** Polls until the result is available. Until then, the API responds with only a handle. */
  async function waitForResult(response: unknown, deadline: Date): Promise<ResultSet> {
    let current = response;
    for (let pollMs = minPollMs; ; pollMs = Math.min(pollMs * 2, maxPollMs)) {
      const waiting = pending.safeParse(current);
      if (!waiting.success || Object.hasOwn(current as object, 'resultSetMetaData'))
        return toResult(expect('statements', resultSet, current));
      if (Date.now() + pollMs > deadline.getTime())
        throw new Deadline('The statement did not finish in time. The next attempt continues to wait for it.');
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      current = await call('statements', `/api/v2/statements/${waiting.data.statementHandle}`);
    }
  }

  return {
    async run({ text, bindings, requestId }, deadline) {
      const { warehouse, database, schema, role } = await credentials();
      const body = {
        statement: text,
        timeout: statementTimeoutSeconds,
        warehouse,
        database,
        schema,
        role,
        parameters: { timezone: 'UTC', query_tag: 'tributary' },
        bindings: Object.fromEntries(bindings.map((value, i) => [String(i + 1), { type: 'TEXT', value }])),
      };
      const path = (attempt: number) =>
        `/api/v2/statements?requestId=${requestId}${attempt > 0 ? '&retry=true' : ''}&nullable=true`;
      return waitForResult(await call('statements', path, body), deadline);
    },
    async find(handle, deadline) {
      const found = await call('statements', `/api/v2/statements/${handle}`).catch((error: unknown) => {
        if (error instanceof NotFound || error instanceof InvalidInput) return undefined;
        throw error;
      });
      return found === undefined ? undefined : waitForResult(found, deadline);
    },
    async fetchPartition({ handle, partitions, first }, n) {
      if (n === 0 && first) return first;
      let found = -1;
      for (let attempt = 0; attempt < partitionAttempts; attempt++) {
        const response = await call('partition', `/api/v2/statements/${handle}?partition=${n}`);
        const { data } = expect('partition', partition, response);
        if (data.length === partitions[n]) return data;
        found = data.length;
      }
      throw new Upstream(`snowflake partition: received ${found} of ${partitions[n]} rows.`);
    },
  };
}

function toResult({ statementHandle, createdOn, resultSetMetaData, data }: z.output<typeof resultSet>): ResultSet {
  const { rowType, partitionInfo, numRows } = resultSetMetaData;
  const partitions = partitionInfo?.map(({ rowCount }) => rowCount) ?? [numRows];
  return {
    handle: statementHandle,
    columns: rowType.map(({ name, type }) => ({ name, type: type.toLowerCase() })),
    partitions,
    createdAt: new Date(createdOn ?? Date.now()),
    first: data.length === (partitions[0] ?? 0) ? data : undefined,
  };
}

/** Returns the current token, and signs a new one a minute before it expires. The user is authenticated by key pair. */
function createTokenSource(credentials: SnowflakeConnection['credentials']): () => Promise<string> {
  let current: { token: string; expiresAt: number } | undefined;
  return async () => {
    if (current && Date.now() < current.expiresAt - 60_000) return current.token;
    const { createHash, createPublicKey } = await import('node:crypto');
    const { account, user, privateKey } = await credentials();
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    const fingerprint = createHash('sha256').update(publicKey).digest('base64');
    const subject = `${account.toUpperCase()}.${user.toUpperCase()}`;
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(`${subject}.SHA256:${fingerprint}`)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(`${tokenTtlSeconds}s`)
      .sign(await importPKCS8(privateKey, 'RS256'));
    current = { token, expiresAt: Date.now() + tokenTtlSeconds * 1_000 };
    return token;
  };
}
