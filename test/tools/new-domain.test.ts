import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const copy = await mkdtemp(join(tmpdir(), 'new-domain-'));
afterAll(() => rm(copy, { recursive: true }));
const parts = [
  'functions',
  'shared',
  'infra',
  'local',
  'migrations',
  'test',
  'tools',
  'bench',
  'package.json',
  'tsconfig.json',
  'biome.json',
  'cdk.json',
  'vitest.config.ts',
  '.dependency-cruiser.cjs',
  '.env.example',
  '.gitignore',
];
await Promise.all(parts.map((part) => cp(join(root, part), join(copy, part), { recursive: true })));
await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
const run = (command: string, ...arguments_: string[]) => {
  const { status, stdout, stderr } = spawnSync(command, arguments_, { cwd: copy, encoding: 'utf8' });
  return { status, output: stdout + stderr };
};
/** Runs a command that must succeed. If it fails, the test shows its output. */
const succeeds = (...command: [string, ...string[]]) => {
  const { status, output } = run(...command);
  expect(status, output).toBe(0);
};

test('a new domain passes the checks and its own tests, and is deployed without a change in infra', async () => {
  succeeds('node', 'tools/new-domain.ts', 'weather');
  succeeds('node', 'tools/generate.ts');
  succeeds('tsc', '--noEmit', '-p', 'tsconfig.json');
  succeeds('biome', 'check', '--vcs-enabled=false', 'functions/weather', 'functions/registry.ts', 'test/weather');
  succeeds('vitest', 'run', 'test/weather', 'test/architecture');
  succeeds('cdk', 'synth', '--quiet', '-c', 'stage=dev', '-c', 'nag=off');
  expect(await readFile(join(copy, 'cdk.out/Tributary-dev-Service.template.json'), 'utf8')).toContain(
    'GET /v1/weather/{id}',
  );
}, 240_000);

test('an existing or invalid name is rejected in one line', () => {
  expect(run('node', 'tools/new-domain.ts', 'collections')).toEqual({
    status: 1,
    output: 'The domain collections already exists.\n',
  });
  for (const name of ['order', 'user', 'pg_things'])
    expect(run('node', 'tools/new-domain.ts', name)).toEqual({
      status: 1,
      output: expect.stringMatching(/^\w+ is reserved in Postgres\..*\n$/),
    });
  expect(run('node', 'tools/new-domain.ts', 'No Name')).toEqual({
    status: 1,
    output: expect.stringMatching(/^Usage: .*\n$/),
  });
});
