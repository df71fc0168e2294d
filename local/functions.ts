import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FunctionPlan } from './function-plans.ts';

export interface Functions {
  names: string[];
  /** Runs a function on an event, in a free container or a new one. @throws Error  it failed or timed out */
  invoke(name: string, event: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

interface Container {
  worker: Worker;
  idleSince: number;
}

export interface FunctionsOptions {
  /** Settings that every function gets besides its own: what the Lambda runtime sets, and local endpoints. */
  environment: Record<string, string>;
  /** How many containers its queues may keep busy. Calls beyond the containers of a function wait. */
  containersFor(name: string): number;
  logTo(name: string): Writable;
}

const minContainers = 4;
const maxIdleMs = 60_000;

/** The functions of the template. Each has its own worker threads, which start when they are first needed. */
export function createFunctions(plans: readonly FunctionPlan[], options: FunctionsOptions): Functions {
  const pools = new Map(
    plans.map((plan) => {
      const environment = { ...plan.environment, ...options.environment };
      const maxContainers = Math.max(minContainers, options.containersFor(plan.name));
      return [plan.name, createPool({ ...plan, environment }, maxContainers, options.logTo)];
    }),
  );
  return {
    names: [...pools.keys()],
    invoke(name, event) {
      const pool = pools.get(name);
      if (!pool) throw new Error(`There is no function ${name}. Functions: ${[...pools.keys()].join(', ')}.`);
      return pool.invoke(event);
    },
    stop: async () => void (await Promise.all([...pools.values()].map((pool) => pool.stop()))),
  };
}

function createPool(plan: FunctionPlan, maxContainers: number, logTo: (name: string) => Writable) {
  const idle: Container[] = [];
  const waiting: (() => void)[] = [];
  const live = new Set<Worker>();
  const reaper = setInterval(() => {
    while (idle[0] && idle[0].idleSince < Date.now() - maxIdleMs) void end(idle.shift()!.worker);
  }, 30_000).unref();

  async function take(): Promise<Container> {
    for (;;) {
      const free = idle.pop();
      if (free) return free;
      if (live.size < maxContainers) return { worker: await startWorker(plan, live, logTo), idleSince: 0 };
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }

  async function end(worker: Worker): Promise<void> {
    live.delete(worker);
    await worker.terminate();
  }

  return {
    async invoke(event: unknown): Promise<unknown> {
      const container = await take();
      try {
        const result = await call(container.worker, plan, event);
        idle.push({ ...container, idleSince: Date.now() });
        return result;
      } catch (error) {
        // a container whose handler threw is reusable; one that hangs or crashed is not
        if ((error as { answered?: boolean }).answered) idle.push({ ...container, idleSince: Date.now() });
        else await end(container.worker);
        throw error;
      } finally {
        waiting.shift()?.();
      }
    },
    async stop() {
      clearInterval(reaper);
      await Promise.all([...live].map(end));
    },
  };
}

async function startWorker(plan: FunctionPlan, live: Set<Worker>, logTo: (name: string) => Writable): Promise<Worker> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    env: plan.environment,
    workerData: {
      entry: pathToFileURL(join(plan.folder, 'index.mjs')).href,
      functionName: plan.name,
      memoryMb: plan.memoryMb,
    },
    resourceLimits: { maxOldGenerationSizeMb: Math.min(plan.memoryMb, 512), maxYoungGenerationSizeMb: 24 },
    stdout: true,
    stderr: true,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  live.add(worker);
  worker.stdout.pipe(logTo(plan.name), { end: false });
  worker.stderr.pipe(logTo(plan.name), { end: false });
  worker.once('exit', () => live.delete(worker));
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', (error) => {
      live.delete(worker);
      reject(new Error(`${plan.name} did not start: ${error.message}`, { cause: error }));
    });
  });
  return worker;
}

let invocations = 0;

function call(worker: Worker, plan: FunctionPlan, event: unknown): Promise<unknown> {
  const id = ++invocations;
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
      act();
    };
    const onMessage = (message: { id: number; result?: unknown; error?: string }) => {
      if (message.id !== id) return;
      if (message.error === undefined) settle(() => resolve(message.result));
      else settle(() => reject(Object.assign(new Error(`${plan.name}: ${message.error}`), { answered: true })));
    };
    const onError = (error: Error) => settle(() => reject(new Error(`${plan.name} crashed: ${error.message}`)));
    const timer = setTimeout(
      () => settle(() => reject(new Error(`${plan.name} timed out after ${plan.timeoutMs} ms`))),
      plan.timeoutMs,
    );
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage({ id, event, requestId: randomUUID(), endsAt: Date.now() + plan.timeoutMs });
  });
}
