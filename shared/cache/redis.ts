import { Redis } from 'ioredis';
import { Unavailable } from '../kernel/errors.ts';
import { type Scripts, withScripts } from './scripts.ts';

export interface RedisSettings {
  url: string;
  password?: string;
  onFault(error: unknown): void;
}

/** The connection to Redis, with the cache's scripts, behind a circuit breaker. */
export interface RedisConnection {
  redis: Redis & Scripts;
  /**
   * Runs `work` unless the breaker is open.
   *
   * @throws Unavailable  Redis failed, or the breaker is open (retryable)
   */
  attempt<T>(work: (redis: Redis & Scripts) => Promise<T>): Promise<T>;
  /** The same, with the reply mapped in the same step, which saves a hot read a promise. */
  attempt<T, R>(work: (redis: Redis & Scripts) => Promise<T>, map: (result: T) => R): Promise<R>;
  /** Whether the breaker is open: Redis keeps failing and is only probed. */
  isOpen(): boolean;
  close(): Promise<void>;
}

const maxFailures = 5;
const openMs = 1_000;
const readyTimeoutMs = 1_000;
const tickMs = 20;
/**
 * Redis counts as silent after this many ticks without a byte in either direction: 100 ms in which one could be read.
 */
const silentTicks = 5;

/**
 * Connects. Commands fail fast: there are no retries, and none are queued while the server is down, so that a read
 * continues from the database within 100 ms. After five consecutive failures, one probe per second tests whether Redis
 * is back.
 */
export async function connectRedis({ url, password, onFault }: RedisSettings): Promise<RedisConnection> {
  const redis = new Redis(url, {
    ...(password === undefined ? {} : { password }),
    connectTimeout: 2_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
    // a demoted primary refuses writes; the name resolves to the new one
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  redis.on('error', onFault);
  await ready(redis);
  const connection = withScripts(redis);
  const watch = watchSilence(redis);
  let failures = 0;
  let openUntil = 0;
  const isOpen = () => failures >= maxFailures;
  const failed = (cause: unknown): never => {
    watch.answered();
    // an error about one key or script comes from a healthy server
    if (!(cause instanceof Error && /^(WRONGTYPE|ERR) /.test(cause.message))) {
      failures++;
      openUntil = Date.now() + openMs;
    }
    onFault(cause);
    throw new Unavailable('Redis did not respond.', { cause });
  };
  return {
    redis: connection,
    isOpen,
    attempt<T, R>(work: (redis: Redis & Scripts) => Promise<T>, map?: (result: T) => R) {
      if (isOpen()) {
        if (Date.now() < openUntil)
          return Promise.reject(new Unavailable('Redis circuit breaker open. Retry in a second.'));
        // half open: this attempt is the probe, later ones wait for its outcome
        openUntil = Date.now() + openMs;
      }
      watch.sent();
      return work(connection).then((result) => {
        watch.answered();
        failures = 0;
        return map ? map(result) : (result as unknown as R);
      }, failed);
    },
    async close() {
      watch.stop();
      redis.disconnect();
    },
  };
}

/**
 * Destroys the socket if Redis goes silent, which fails the pending commands.
 *
 * Time is counted in ticks, not by the clock. A tick that is late because this process was busy or frozen counts once,
 * and whatever has arrived is read between two ticks. So a busy process does not mistake Redis for silent.
 */
function watchSilence(redis: Redis) {
  let pending = 0;
  let ticks = 0;
  let transferred = 0;
  let timer: NodeJS.Timeout | undefined;

  function tick() {
    const { stream } = redis;
    if (pending === 0) return stop();
    if (bytesTransferred(stream) !== transferred) {
      transferred = bytesTransferred(stream);
      ticks = 0;
    } else if (++ticks >= silentTicks) {
      ticks = 0;
      stream?.destroy(new Error(`Redis sent nothing for ${silentTicks * tickMs} ms.`));
    }
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    sent() {
      pending++;
      if (timer) return;
      ticks = 0;
      transferred = bytesTransferred(redis.stream);
      timer = setInterval(tick, tickMs).unref();
    },
    answered() {
      pending--;
    },
    stop,
  };
}

/** Bytes read, plus bytes handed to the network: during a long reply or a long request, Redis is not silent. */
function bytesTransferred(stream: Redis['stream'] | undefined): number {
  return stream ? stream.bytesRead + stream.bytesWritten - stream.writableLength : 0;
}

function ready(redis: Redis): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, readyTimeoutMs);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
