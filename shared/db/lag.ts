import { env } from '../env.ts';
import { log } from '../observability/log.ts';
import { count } from '../observability/metrics.ts';
import { type Host, isPrimary, pool } from './pools.ts';

/**
 * Chooses the host for a read. A reader whose lag exceeds the threshold, or that cannot be reached, is left out until
 * its lag has been at most half the threshold in three consecutive checks. Without this hysteresis it would flap around
 * the threshold.
 *
 * The lag is measured at most once a second, and concurrent reads share a measurement.
 */
interface ReaderState {
  usable: boolean;
  consecutiveGoodChecks: number;
  checkedAt: number;
  /** Every change committed before this time (ms) is known to be visible on it. */
  seenUpTo: number;
  checking: Promise<void> | undefined;
}

const checkIntervalMs = 1_000;
/** If the last check is older than this, the read waits for a new one. */
const maxCheckAgeMs = 5_000;
const requiredGoodChecks = 3;
/** A reader that does not report its lag within this time counts as unreachable. */
const lagTimeout = { query_timeout: 1_000 };
const states = new Map<Host, ReaderState>();

/** The reader, or the primary while the reader is left out. */
export async function hostForReads(preferred: 'reader' | 'analytics'): Promise<Host> {
  const state = stateOf(preferred);
  if (Date.now() - state.checkedAt >= checkIntervalMs) {
    state.checking ??= check(preferred, state).finally(() => {
      state.checking = undefined;
    });
    if (Date.now() - state.checkedAt >= maxCheckAgeMs) await state.checking;
  }
  return state.usable ? preferred : 'primary';
}

/**
 * The time up to which a host shows every change. For the primary this is now; for a reader, the time of the last
 * measurement minus the lag.
 */
export function seenUpTo(host: Host): Date {
  return new Date(isPrimary(host) ? Date.now() : stateOf(host).seenUpTo);
}

/** Leaves a reader out after a connection to it failed. */
export function leaveOut(host: Host): void {
  const state = stateOf(host);
  state.usable = false;
  state.consecutiveGoodChecks = 0;
}

/** Whether reads currently avoid a reader. For the health check. */
export function isLeftOut(host: Host): boolean {
  return !stateOf(host).usable;
}

function stateOf(host: Host): ReaderState {
  let state = states.get(host);
  if (!state) {
    state = { usable: true, consecutiveGoodChecks: 0, checkedAt: 0, seenUpTo: 0, checking: undefined };
    states.set(host, state);
  }
  return state;
}

async function check(host: Host, state: ReaderState): Promise<void> {
  const threshold = env('DATABASE_LAG_THRESHOLD_MS');
  const askedAt = Date.now();
  const lagMs = await measureLag(host);
  state.checkedAt = Date.now();
  if (lagMs !== undefined) state.seenUpTo = Math.max(state.seenUpTo, askedAt - lagMs);
  if (lagMs === undefined || lagMs > threshold) {
    if (state.usable) count('ReaderLeftOut', 'Count', 1, { host });
    leaveOut(host);
    return;
  }
  state.consecutiveGoodChecks = lagMs <= threshold / 2 ? state.consecutiveGoodChecks + 1 : 0;
  if (state.consecutiveGoodChecks >= requiredGoodChecks) state.usable = true;
}

/** How many milliseconds a host is behind the primary. Undefined if it does not respond, or cannot know. */
export async function measureLag(host: Host): Promise<number | undefined> {
  try {
    const text = await lagQuery(host);
    const { rows } = await (await pool(host)).query<{ lag_ms: number | null }>({ text, ...lagTimeout });
    return rows[0]?.lag_ms ?? undefined;
  } catch (error) {
    // a reader with unknown lag is left out; the read continues elsewhere
    log.warn('reader lag not measured', { host, error });
    return undefined;
  }
}

const auroraLag = `select coalesce(max(replica_lag_in_msec), 0)::float8 as lag_ms
  from aurora_replica_status() where server_id = aurora_db_instance_identifier()`;

// a standby without a stream has replayed everything it received, and cannot know what it is missing
const standbyLag = `select case
    when not pg_is_in_recovery() then 0
    when not exists (select from pg_stat_wal_receiver where coalesce(status, 'streaming') = 'streaming') then null
    when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
    else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000, 0)
  end::float8 as lag_ms`;

let isAurora: boolean | undefined;

async function lagQuery(host: Host): Promise<string> {
  if (isAurora === undefined) {
    const { rows } = await (await pool(host)).query<{ is: boolean }>({
      text: `select to_regproc('aurora_replica_status') is not null as is`,
      ...lagTimeout,
    });
    isAurora = rows[0]?.is ?? false;
  }
  return isAurora ? auroraLag : standbyLag;
}
