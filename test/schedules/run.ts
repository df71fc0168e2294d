/**
 * `npm run test:schedules -- [--runs N] [--seed S] [--fault NAME]`: explores schedules of the cache, or of a copy with
 * a planted fault (`--fault all`: with each). A failing schedule is shrunk and printed.
 */
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { startRedis } from '../../local/redis.ts';
import { explore } from './explore.ts';
import { type Fault, faults, forgetful } from './faults.ts';
import { withFault } from './plant.ts';
import { commandOf, type Explore, type Search, search } from './search.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    fault: { type: 'string' },
  },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
const shrinkMs = 10_000;
const row = (...cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);

const planted = faultsNamed(values.fault);
const server = await startRedis(console.log);
const redis = new Redis(server.url);
const run = (one: Explore) => search(one, redis, { seed, runs, shrinkMs });
try {
  if (values.fault === undefined) report(await run(explore));
  else if (planted.length === 1) report(await withFault(planted[0]!, run), planted[0]!.name);
  else await printTable();
} finally {
  redis.disconnect();
  await server.stop();
}

function faultsNamed(name: string | undefined): readonly Fault[] {
  if (name === undefined) return [];
  if (name === 'all') return faults;
  const one = [...faults, forgetful].find((fault) => fault.name === name);
  if (one) return [one];
  const names = ['all', ...faults.map((fault) => fault.name), forgetful.name];
  throw new Error(`Unknown fault \`${name}\`. Allowed: ${names.join(', ')}.`);
}

/** Prints how many schedules and steps it took to find each fault. */
async function printTable(): Promise<void> {
  row('fault', 'seed', 'schedules', 'steps', 'steps after shrinking');
  row('---', '--:', '--:', '--:', '--:');
  for (const fault of planted) {
    const { schedules, found, smallest } = await withFault(fault, run);
    row(fault.name, seed, schedules, found?.trace.length ?? 'not found', smallest?.trace.length ?? '');
    if (!found) process.exitCode = 1;
  }
}

function report(result: Search, fault?: string): void {
  const { schedules, found, smallest, happened } = result;
  row('in schedules', 'share');
  row('---', '--:');
  const ran = Math.max(1, schedules - (found ? 1 : 0));
  for (const [what, times] of Object.entries(happened).sort(([, a], [, b]) => b - a))
    row(what, `${((100 * times) / ran).toFixed(1)} %`);
  console.log(
    `\n${schedules} schedules, seed ${seed}${fault ? `, ${fault}` : ''}: ${found ? 'FAILED' : 'no violation'}`,
  );
  if (!found || !smallest) return;
  console.log(`${smallest.violation}\n`);
  console.log(smallest.trace.map((step, i) => `${String(i + 1).padStart(4)}  ${step}`).join('\n'));
  console.log(`\nThe schedule:\n${JSON.stringify(smallest.plan)}\n\nTo reproduce: ${commandOf(seed, result, fault)}`);
  process.exitCode = 1;
}
