/**
 * Snowflake's SQL API v2: statements submitted, waited for, and read partition by partition; parsed at the door.
 *
 * A statement is submitted under a request id: the same id again finds the same statement, so that a call whose answer was
 * lost, or a run that was cut off, starts nothing twice. Results are kept for a day.
 */
import { importPKCS8, SignJWT } from 'jose';
import * as z from 'zod';
import { Deadline, InvalidInput, NotFound, Upstream } from '../../../shared/kernel/errors.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { snowflake } from '../../upstreams/snowflake.ts';

type SnowflakeConnection = Connection<typeof snowflake>;

/** A value as the API has it: a text of its digits, its characters, its seconds since 1970; or null. */
export type Cell = string | null;

export interface Statement {
  text: string;
  /** Texts for its question marks, in order. */
  bindings: readonly string[];
  /** A UUID; the same one again is the same statement. */
  requestId: string;
}

/** A statement that has been carried out. */
export interface ResultSet {
  handle: string;
  columns: { name: string; type: string }[];
  /** Rows of each partition. */
  partitions: number[];
  /** When it was submitted: what it shows is no older. */
  createdAt: Date;
  /** The first partition's rows; undefined where they came cut short, and have to be fetched. */
  first: Cell[][] | undefined;
}

export interface Snowflake {
  /**
   * Carries out a statement.
   *
   * @throws InvalidInput  Snowflake refuses it; the message has its reason
   * @throws Deadline      it is not done in time (retryable)
   */
  run(statement: Statement, deadline: Date): Promise<ResultSet>;
  /** A statement of before, by its handle; undefined if Snowflake does not keep its result any more. */
  find(handle: string, deadline: Date): Promise<ResultSet | undefined>;
  /** The rows of a partition. @throws Upstream  it has not as many rows as it should (retryable) */
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
const tokenLifeSeconds = 3_600;
const shortestPollMs = 250;
const longestPollMs = 5_000;
const partitionAttempts = 3;

/** The container's client of Snowflake. */
export function getSnowflake(): Promise<Snowflake> {
  return connectUpstream(snowflake, createSnowflake);
}

/** A client of Snowflake. */
export function createSnowflake({ baseUrl, credentials, request }: SnowflakeConnection): Snowflake {
  const token = createTokens(credentials);
  const ask = async (operation: string, path: string | ((attempt: number) => string), body?: unknown) =>
    request({
      operation,
      url: typeof path === 'string' ? baseUrl + path : (attempt) => baseUrl + path(attempt),
      headers: {
        authorization: `Bearer ${await token()}`,
        'x-snowflake-authorization-token-type': 'KEYPAIR_JWT',
        'user-agent': 'tributary/1',
      },
      ...(body === undefined ? {} : { body }),
    });

  /** The result once it is there; until then the API answers with a handle alone. */
  async function settled(answer: unknown, deadline: Date): Promise<ResultSet> {
    let current = answer;
    for (let pollMs = shortestPollMs; ; pollMs = Math.min(pollMs * 2, longestPollMs)) {
      const done = resultSet.safeParse(current);
      if (done.success) return toResult(done.data);
      const waiting = pending.safeParse(current);
      if (!waiting.success || Object.hasOwn(current as object, 'resultSetMetaData'))
        throw new Upstream('snowflake statements: the answer is not as described.');
      if (Date.now() + pollMs > deadline.getTime()) throw new Deadline('Snowflake is still at the statement.');
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      current = await ask('statements', `/api/v2/statements/${waiting.data.statementHandle}`);
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
      return settled(await ask('statements', path, body), deadline);
    },
    async find(handle, deadline) {
      const found = await ask('statements', `/api/v2/statements/${handle}`).catch((error: unknown) => {
        if (error instanceof NotFound || error instanceof InvalidInput) return undefined;
        throw error;
      });
      return found === undefined ? undefined : settled(found, deadline);
    },
    async fetchPartition({ handle, partitions, first }, n) {
      if (n === 0 && first) return first;
      let found = -1;
      for (let attempt = 0; attempt < partitionAttempts; attempt++) {
        const parsed = partition.safeParse(await ask('partition', `/api/v2/statements/${handle}?partition=${n}`));
        if (!parsed.success) throw new Upstream('snowflake partition: the answer is not as described.');
        const { data } = parsed.data;
        if (data.length === partitions[n]) return data;
        found = data.length;
      }
      throw new Upstream(`snowflake partition: ${found} rows came, not ${partitions[n]}.`);
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

/** Signs a token where the last one is about to end: who asks is the user, by the fingerprint of their public key. */
function createTokens(credentials: SnowflakeConnection['credentials']): () => Promise<string> {
  let known: { token: string; endsAt: number } | undefined;
  return async () => {
    if (known && Date.now() < known.endsAt - 60_000) return known.token;
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
      .setExpirationTime(`${tokenLifeSeconds}s`)
      .sign(await importPKCS8(privateKey, 'RS256'));
    known = { token, endsAt: Date.now() + tokenLifeSeconds * 1_000 };
    return token;
  };
}
