import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

interface Workflow {
  permissions?: Record<string, string>;
  concurrency?: { group: string };
  jobs: Record<string, Job>;
}
interface Job {
  'timeout-minutes'?: number;
  strategy?: { matrix: Record<string, string[]> };
  steps: { uses?: string; run?: string }[];
}

function parse<T>(path: string): T {
  const { errors, warnings, contents } = parseDocument(read(path));
  expect([path, ...errors, ...warnings]).toEqual([path]);
  return contents!.toJSON() as T;
}

// the test of new:domain runs this folder in a copy of the code without the workflows
describe.skipIf(!existsSync(`${root}README.md`))('the workflows', () => {
  const folder = '.github/workflows/';
  const files = ['ci.yml', 'codeql.yml', 'sbom.yml'];

  test('are all tested here', () => expect(readdirSync(`${root}${folder}`).sort()).toEqual(files));

  test.each(files)('%s has read-only permissions by default, a timeout, and actions pinned to commits', (file) => {
    const { permissions, concurrency, jobs } = parse<Workflow>(`${folder}${file}`);
    expect(permissions).toEqual({ contents: 'read' });
    expect(concurrency?.group).toContain('github.ref');
    for (const { 'timeout-minutes': minutes, steps } of Object.values(jobs)) {
      expect(minutes).toBeLessThanOrEqual(60);
      for (const { uses } of steps) if (uses !== undefined) expect(uses).toMatch(/^[\w/-]+@[0-9a-f]{40}$/);
    }
  });

  test('ci runs only .ci/run, with the oldest supported Node and the one in devDependencies', () => {
    const { engines, devDependencies } = JSON.parse(read('package.json'));
    const { ci } = parse<{ jobs: { ci: Job } }>(`${folder}ci.yml`).jobs;
    expect(ci.strategy?.matrix).toEqual({
      os: ['ubuntu-latest', 'macos-latest'],
      node: [engines.node.replace('>=', ''), devDependencies.node.split('.')[0]],
    });
    const commands = ci.steps.flatMap(({ run }) => run ?? []);
    expect(commands.filter((command) => !/install/.test(command))).toEqual(['bash .ci/run']);
  });

  test('.ci/run runs the checks, the tests, and the browser test, and prints a summary', () => {
    const script = read('.ci/run');
    for (const part of ['npm ci', 'npm run -s check', 'npm test', 'npm run -s test:browser', '%d passed, %d failed'])
      expect(script).toContain(part);
  });

  test('dependabot updates npm packages and actions weekly', () => {
    const { updates } = parse<{ updates: Record<string, unknown>[] }>('.github/dependabot.yml');
    expect(updates.map((one) => one['package-ecosystem'])).toEqual(['npm', 'github-actions']);
    for (const { schedule, groups } of updates)
      expect([schedule, groups]).toEqual([{ interval: 'weekly' }, expect.anything()]);
  });
});
