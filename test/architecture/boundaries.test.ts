import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { findViolations } from '../../tools/boundaries.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

test('no import crosses a boundary', async () => {
  expect(await findViolations(root, ['shared', 'functions', 'infra', 'local'])).toEqual([]);
});

const violations: [rule: string, file: string, imports: string, target?: string][] = [
  ['kernel-is-pure', 'shared/kernel/a.ts', '../db/b.ts', 'shared/db/b.ts'],
  ['shared-names-no-domain', 'shared/db/a.ts', '../../functions/music/b.ts', 'functions/music/b.ts'],
  ['domains-meet-at-events-and-contracts', 'functions/music/a.ts', '../wallets/b.ts', 'functions/wallets/b.ts'],
  ['domains-do-not-know-the-platform', 'functions/music/a.ts', '../platform/b.ts', 'functions/platform/b.ts'],
  ['platform-knows-domains-through-the-registry', 'functions/platform/a.ts', '../music/b.ts', 'functions/music/b.ts'],
  ['declarations-are-pure-values', 'functions/music/domain.ts', './b.ts', 'functions/music/b.ts'],
  ['infra-reads-declarations-only', 'infra/a.ts', '../functions/music/domain.ts', 'functions/music/domain.ts'],
  ['local-runs-what-synth-wrote', 'local/a.ts', '../shared/db/b.ts', 'shared/db/b.ts'],
  ['drivers-only-in-shared', 'functions/music/a.ts', 'pg'],
  ['viem-only-in-sources', 'functions/music/a.ts', 'viem'],
  ['apis-do-not-load-viem', 'functions/music/api.ts', 'viem'],
  ['cdk-only-in-infra', 'shared/db/a.ts', 'aws-cdk-lib'],
  ['no-cycles', 'shared/db/a.ts', './b.ts', 'shared/db/b.ts'],
];

test.each(violations)('a violation of %s is found', async (rule, file, imports, target) => {
  const folder = await writeProject({
    [file]: `import '${imports}';\nexport const a = 1;\n`,
    ...(target ? { [target]: rule === 'no-cycles' ? `import './a.ts';\n` : 'export const b = 1;\n' } : {}),
  });
  const found = await findViolations(folder, [file.split('/')[0]!]);
  expect(found.map((violation) => [violation.rule, violation.from])).toContainEqual([rule, file]);
});

test('a domain may import events, contracts, and upstreams', async () => {
  const folder = await writeProject({
    'functions/music/a.ts': `import '../wallets/events.ts';\nimport '../wallets/contract.ts';\nimport '../upstreams/spotify.ts';\n`,
    'functions/wallets/events.ts': '',
    'functions/wallets/contract.ts': '',
    'functions/upstreams/spotify.ts': '',
  });
  expect(await findViolations(folder, ['functions'])).toEqual([]);
});

async function writeProject(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'boundaries-'));
  folders.push(folder);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}
