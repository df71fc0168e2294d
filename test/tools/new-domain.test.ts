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
  return { status, said: stdout + stderr };
};

test('a new domain passes the checks and its own tests, and is deployed, with infra untouched', async () => {
  expect(run('node', 'tools/new-domain.ts', 'weather')).toMatchObject({ status: 0 });
  run('node', 'tools/generate.ts');
  for (const check of [
    ['tsc', '--noEmit', '-p', 'tsconfig.json'],
    [
      'biome',
      'check',
      '--vcs-enabled=false',
      'functions/weather',
      'functions/registry.ts',
      'test/weather',
      'migrations',
    ],
  ] as const) {
    expect(run(...(check as unknown as [string, ...string[]]))).toMatchObject({ status: 0 });
  }
  expect(run('vitest', 'run', 'test/weather', 'test/architecture')).toMatchObject({ status: 0 });
  expect(run('cdk', 'synth', '--quiet', '-c', 'stage=dev', '-c', 'nag=off')).toMatchObject({ status: 0 });
  expect(await readFile(join(copy, 'cdk.out/Tributary-dev-Service.template.json'), 'utf8')).toContain(
    'GET /v1/weather/{id}',
  );
}, 240_000);

test('a name that is taken or cannot be one is refused in one line', () => {
  expect(run('node', 'tools/new-domain.ts', 'collections')).toEqual({
    status: 1,
    said: 'There is a domain collections already.\n',
  });
  expect(run('node', 'tools/new-domain.ts', 'No Name')).toEqual({
    status: 1,
    said: expect.stringMatching(/^Usage: .*\n$/),
  });
});
