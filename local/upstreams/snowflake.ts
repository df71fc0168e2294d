/**
 * A stand-in for Snowflake's SQL API v2: it checks the token's signature, issuer and age, recognizes a repeated request
 * id, responds with 202 as often as configured, and returns results in gzipped partitions. It understands the statements
 * of our syncs: columns of one table, at or after a time, in the table's order.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { jwtVerify } from 'jose';
import { createFaultSwitch, type FaultSwitch, type Faults, readJson, respond } from './faults.ts';
import {
  createMomentsWorld,
  type MomentsSize,
  type MomentsWorld,
  type OpenTable,
  type WarehouseRow,
} from './moments.ts';
import type { StandIn } from './stand-in.ts';

export interface SnowflakeStandIn {
  url: string;
  world: MomentsWorld;
  faults: FaultSwitch;
  /** What its secret holds. */
  secret: Record<string, string>;
  /** May be changed at any time. */
  behavior: Behavior;
  /** Statements executed, without repeated request ids, and all requests. */
  counts: { statements: number; requests: number };
  /** Forgets every statement, as Snowflake does after a day. */
  forget(): void;
  stop(): Promise<void>;
}

export interface Behavior {
  rowsPerPartition: number;
  /** How often a statement responds with 202 before its result. */
  pollsBeforeResult: number;
  /** Changes a row on its way out, like bad data would. */
  change?: ((table: string, row: WarehouseRow, place: number) => WarehouseRow) | undefined;
  /** Columns with a new name: `NFT_ID` → `MOMENT_ID`. */
  renamed: Record<string, string>;
  /** The columns of results, from the selected ones: more, fewer, or in another order. */
  returned?: ((columns: string[]) => string[]) | undefined;
}

interface Statement {
  handle: string;
  table: string;
  columns: string[];
  rows: OpenTable;
  places: Int32Array;
  createdOn: number;
  pollsLeft: number;
}

const account = 'TRIBUTARY-LOCAL';
const user = 'SYNC';
const statementText = /^SELECT (.+) FROM (\w+)(?: WHERE (\w+) >= TO_TIMESTAMP_NTZ\(\?\))? ORDER BY \d(?:, \d)*$/;
const pack = promisify(gzip);

/** Its key pair is new in each run, and so is its data. */
export const standIn = { start: () => startSnowflake() } satisfies StandIn<SnowflakeStandIn>;

export async function startSnowflake(
  size: MomentsSize = { moments: 60_000, wallets: 4_000, editions: 480, scrapes: 20 },
): Promise<SnowflakeStandIn> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const world = createMomentsWorld(size);
  const faults = createFaultSwitch();
  const behavior: Behavior = { rowsPerPartition: 20_000, pollsBeforeResult: 1, renamed: {} };
  const counts = { statements: 0, requests: 0 };
  const byRequest = new Map<string, Statement>();
  const byHandle = new Map<string, Statement>();

  const submit = (requestId: string, body: { statement?: string; bindings?: Record<string, { value: string }> }) => {
    const known = byRequest.get(requestId);
    if (known) return known;
    const statement = compile(world, behavior, body);
    counts.statements++;
    byRequest.set(requestId, statement);
    byHandle.set(statement.handle, statement);
    return statement;
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://snowflake');
    counts.requests++;
    if (url.pathname === '/__faults') {
      faults.set((await readJson(request)) as Faults | undefined);
      return respond(response, 200, {}, undefined);
    }
    const refusal = await checkAccess(request, publicKey);
    if (refusal) return respond(response, 401, refusal, undefined);
    const [, handle] = /^\/api\/v2\/statements(?:\/([\w-]+))?$/.exec(url.pathname) ?? [];
    try {
      const statement =
        request.method === 'POST'
          ? submit(url.searchParams.get('requestId') ?? randomUUID(), (await readJson(request)) as object)
          : byHandle.get(handle ?? '');
      if (!statement) return respond(response, 404, { code: '391918', message: 'Statement not found.' }, undefined);
      const partition = url.searchParams.get('partition');
      await answer(
        response,
        world,
        behavior,
        statement,
        partition === null ? undefined : Number(partition),
        faults.next(),
      );
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const failure = { code: error.code, message: error.message, sqlState: '42000', statementHandle: randomUUID() };
      await respond(response, 422, failure, undefined);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    world,
    faults,
    behavior,
    counts,
    secret: {
      account,
      user,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      warehouse: 'SYNC_WH',
      database: 'TOPSHOT',
      schema: 'PUBLIC',
      role: 'SYNC',
    },
    forget() {
      byRequest.clear();
      byHandle.clear();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Why a request is refused, in Snowflake's words. */
async function checkAccess(request: IncomingMessage, publicKey: KeyObject) {
  if (!request.headers['user-agent']) return { code: '391903', message: 'User-Agent header is required.' };
  if (request.headers['x-snowflake-authorization-token-type'] !== 'KEYPAIR_JWT')
    return { code: '390303', message: 'Invalid OAuth access token.' };
  const fingerprint = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const subject = `${account}.${user}`;
  const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
  return jwtVerify(token, publicKey, {
    algorithms: ['RS256'],
    issuer: `${subject}.SHA256:${fingerprint}`,
    subject,
    maxTokenAge: '1h',
  }).then(
    () => undefined,
    () => ({ code: '390144', message: 'JWT token is invalid.' }),
  );
}

function compile(
  world: MomentsWorld,
  { pollsBeforeResult, renamed, returned = (columns) => columns }: Behavior,
  { statement: text = '', bindings = {} }: { statement?: string; bindings?: Record<string, { value: string }> },
): Statement {
  const [, selected, name, since] = statementText.exec(text) ?? [];
  if (!selected || !name) throw new Refused('001003', 'SQL compilation error: syntax error.');
  const table = world.tables.get(name);
  if (!table) throw new Refused('002003', `SQL compilation error: Object '${name}' does not exist or not authorized.`);
  const columns = selected.split(', ').map((column) => /^LOWER\((\w+)\) AS \w+$/.exec(column)?.[1] ?? column);
  const wrong = [...columns, ...(since ? [since] : [])].find(
    (column) => renamed[column] !== undefined || !table.columns.some((one) => one.name === column),
  );
  if (wrong !== undefined)
    throw new Refused('000904', `SQL compilation error: error line 1\ninvalid identifier '${wrong}'`);
  const from = since === undefined ? undefined : BigInt(Date.parse(`${bindings['1']!.value}Z`)) * 1_000n;
  const places: number[] = [];
  const rows = table.open();
  for (let i = 0; i < rows.count; i++) if (from === undefined || rows.changedSince(i, from)) places.push(i);
  return {
    handle: randomUUID(),
    table: name,
    columns: returned(columns),
    rows,
    places: Int32Array.from(places),
    createdOn: Date.now(),
    pollsLeft: pollsBeforeResult,
  };
}

async function answer(
  response: ServerResponse,
  world: MomentsWorld,
  { rowsPerPartition, change }: Behavior,
  statement: Statement,
  partition: number | undefined,
  fault: Faults | undefined,
): Promise<void> {
  const { handle, table: name, columns, rows, places, createdOn } = statement;
  const statementStatusUrl = `/api/v2/statements/${handle}`;
  if (statement.pollsLeft > 0) {
    statement.pollsLeft--;
    const message =
      'Asynchronous execution in progress. Use provided query id to perform query monitoring and management.';
    return respond(
      response,
      202,
      { code: '333334', message, statementHandle: handle, createdOn, statementStatusUrl },
      fault,
    );
  }
  const table = world.tables.get(name)!;
  const indexes = columns.map((column) => table.columns.findIndex((one) => one.name === column));
  const at = (partition ?? 0) * rowsPerPartition;
  const data = Array.from(places.subarray(at, at + rowsPerPartition), (place) => {
    const row = rows.row(place);
    const changed = change ? change(name, row, place) : row;
    return indexes.map((index) => changed[index] ?? null);
  });
  if (fault?.kind === 'truncated' && fault.count % 2 === 0) data.pop();
  if (partition !== undefined && partition > 0) {
    if (fault)
      return respond(response, 200, { data }, fault.kind === 'truncated' && fault.count % 2 === 0 ? undefined : fault);
    const packed = await pack(JSON.stringify({ data }));
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    return void response.end(packed);
  }
  const rowType = columns.map((column, i) => {
    const { type, scale, nullable } = table.columns[indexes[i]!] ?? { type: 'text', nullable: true };
    const size = {
      ...(type === 'text' ? { length: 16_777_216, byteLength: 16_777_216 } : {}),
      ...(type === 'fixed' ? { precision: 38 } : {}),
      ...(scale === undefined ? {} : { scale }),
    };
    return { name: column, database: 'TOPSHOT', schema: 'PUBLIC', table: name, type, nullable, ...size };
  });
  const partitionInfo = Array.from({ length: Math.max(1, Math.ceil(places.length / rowsPerPartition)) }, (_, i) => ({
    rowCount: Math.min(rowsPerPartition, places.length - i * rowsPerPartition),
    uncompressedSize: 1,
  }));
  const body = {
    code: '090001',
    sqlState: '00000',
    message: 'Statement executed successfully.',
    statementHandle: handle,
    createdOn,
    statementStatusUrl,
    resultSetMetaData: { format: 'jsonv2', numRows: places.length, rowType, partitionInfo },
    data,
  };
  return respond(response, 200, body, fault?.kind === 'truncated' && fault.count % 2 === 0 ? undefined : fault);
}
