import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningStandIn, StandIn } from './stand-in.ts';

export interface Upstreams {
  /** The address of each, by the name of its setting: `UPSTREAM_ALCHEMY_URL`. */
  settings: Record<string, string>;
  /** What the secret of each holds, by the upstream's name. */
  secrets: Record<string, Record<string, string>>;
  /** The running stand-in that a file in this folder exports. @throws Error  the template does not call that upstream */
  get<Running extends RunningStandIn>(standIn: StandIn<Running>): Running;
  stop(): Promise<void>;
}

/**
 * Starts the stand-ins of upstreams, given by their names. Each keeps its state in a file of `directory`.
 *
 * @param replaced  stand-ins to start instead of those in this folder
 * @throws Error  an upstream has no stand-in; the message says what to write
 */
export async function startUpstreams(
  names: readonly string[],
  directory: string,
  replaced: Readonly<Record<string, StandIn>> = {},
): Promise<Upstreams> {
  const standIns = await Promise.all(
    names.map(async (name) => [name, replaced[name] ?? (await standInOf(name))] as const),
  );
  const running = await Promise.all(
    standIns.map(async ([name, standIn]) => {
      const started = await standIn.start({ statePath: join(directory, `upstream-${name}.json`) });
      return { name, standIn, started };
    }),
  );
  return {
    settings: Object.fromEntries(
      running.map(({ name, started }) => [`UPSTREAM_${name.toUpperCase()}_URL`, started.url]),
    ),
    secrets: Object.fromEntries(running.map(({ name, started }) => [name, started.secret])),
    get<Running extends RunningStandIn>(wanted: StandIn<Running>) {
      const found = running.find(({ standIn }) => standIn === wanted);
      if (!found) throw new Error(`No function calls that upstream. Running stand-ins: ${names.join(', ')}.`);
      return found.started as Running;
    },
    stop: async () => void (await Promise.all(running.map(({ started }) => started.stop()))),
  };
}

async function standInOf(name: string): Promise<StandIn> {
  const exists = await stat(new URL(`./${name}.ts`, import.meta.url)).catch(() => undefined);
  const { standIn } = (exists ? await import(`../upstreams/${name}.ts`) : {}) as { standIn?: StandIn };
  if (standIn) return standIn;
  throw new Error(
    `The upstream ${name} has no stand-in. Write local/upstreams/${name}.ts, which exports \`standIn: StandIn\`.`,
  );
}
