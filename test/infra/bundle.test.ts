import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { domains } from '../../functions/registry.ts';
import { type Bundles, bundleFunctions } from '../../infra/constructs/bundle.ts';
import { planFunctions } from '../../infra/functions.ts';

// the functions with additional files, and a small one
const plans = planFunctions(domains).filter(({ name, files }) => Object.keys(files).length > 0 || name === 'authorize');
const created: Bundles[] = [];
afterAll(() => Promise.all(created.map((bundles) => bundles.remove())));

test('two builds at once write the same code to different folders', async () => {
  const [one, other] = await Promise.all([bundleFunctions(plans), bundleFunctions(plans)]);
  created.push(one, other);
  for (const { name } of plans) {
    const [folder, otherFolder] = [one.folders.get(name)!, other.folders.get(name)!];
    expect(folder).not.toBe(otherFolder);
    expect(await contentOf(folder)).toEqual(await contentOf(otherFolder));
  }
  await one.remove();
  for (const { name, files } of plans) {
    await expect(stat(one.folders.get(name)!)).rejects.toThrow('ENOENT');
    const found = await readdir(other.folders.get(name)!);
    expect(found).toEqual(expect.arrayContaining(['index.mjs', ...Object.values(files)]));
  }
});

test('a function without an entry file is an error that names the file to write', async () => {
  const [plan] = plans;
  const missing = { ...plan!, name: 'count-sheep', entry: 'functions/platform/count-sheep.ts' };
  await expect(bundleFunctions([plan!, missing])).rejects.toThrow(
    'The function count-sheep has no entry file. Write functions/platform/count-sheep.ts, which exports its handler.',
  );
});

async function contentOf(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(folder.length), await readFile(path, 'utf8')] as const;
  });
  return Object.fromEntries((await Promise.all(read)).sort(([a], [b]) => (a < b ? -1 : 1)));
}
