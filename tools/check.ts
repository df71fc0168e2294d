/** `npm run check`: one line per check, and details of each failure. */
import './toolchain.ts';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findViolations } from './boundaries.ts';
import { findProblems } from './declarations.ts';
import { staleFiles } from './generate.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

interface Check {
  name: string;
  /** The problems found; empty if there are none. */
  run(): string | Promise<string>;
}

const checks: Check[] = [
  { name: 'format and lint', run: () => command('biome', ['check', '--error-on-warnings']) },
  { name: 'types', run: () => command('tsc', ['--noEmit', '-p', 'tsconfig.json']) },
  {
    name: 'boundaries',
    run: async () => {
      const violations = await findViolations(root, ['shared', 'functions', 'infra', 'local']);
      return violations.map(({ rule, from, to }) => `${from} → ${to}: ${rule}`).join('\n');
    },
  },
  {
    name: 'declarations',
    run: async () => {
      const { domains } = await import('../functions/registry.ts');
      return findProblems(domains, root).join('\n');
    },
  },
  {
    name: 'generated files',
    run: async () => {
      const stale = await staleFiles(root);
      return stale.length === 0 ? '' : `out of date: ${stale.join(', ')}; run npm run generate`;
    },
  },
];

let failed = 0;
for (const { name, run } of checks) {
  const problem = await run();
  console.log(`${problem === '' ? 'ok  ' : 'FAIL'} ${name}`);
  if (problem === '') continue;
  failed++;
  console.log(problem);
}
process.exitCode = failed === 0 ? 0 : 1;

function command(name: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, { cwd: root, encoding: 'utf8' });
  if (error) return `${name}: ${error.message}`;
  return status === 0 ? '' : `${stdout}${stderr}`.trim();
}
