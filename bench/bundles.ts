/** The size of each function's bundle, and the time that a new process takes to import it, beyond an empty handler. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { domains } from '../functions/registry.ts';
import { bundleFunctions } from '../infra/constructs/bundle.ts';
import { planFunctions } from '../infra/functions.ts';

const runs = 9;
/** The variables that handlers need when they are imported. */
const environment = { ...process.env, STAGE: 'bench', SERVICE: 'bench', AWS_REGION: 'us-east-1' };

/** `npm run bench -- bundles` */
export async function benchBundles(): Promise<void> {
  const bundles = await bundleFunctions(planFunctions(domains));
  const folder = await mkdtemp(join(tmpdir(), 'empty-'));
  const empty = join(folder, 'index.mjs');
  await writeFile(empty, 'export const handler = async () => undefined;\n');
  const floor = importOf(empty);
  console.log(
    `an empty handler: ${floor.ms.toFixed(1)} ms, ${floor.mb.toFixed(0)} MB; medians of ${runs} new processes`,
  );
  console.log(
    `${'function'.padEnd(20)} ${'at start KB'.padStart(12)} ${'total KB'.padStart(10)} ${'import ms'.padStart(10)} ${'beyond ms'.padStart(10)} ${'MB'.padStart(5)}`,
  );
  for (const [name, bundle] of [...bundles.folders].sort()) {
    const sizes = await sizesOf(bundle);
    const { ms, mb } = importOf(join(bundle, 'index.mjs'));
    const columns = [
      kb(sizes.atStart).padStart(12),
      kb(sizes.all).padStart(10),
      ms.toFixed(1).padStart(10),
      (ms - floor.ms).toFixed(1).padStart(10),
      mb.toFixed(0).padStart(5),
    ];
    console.log(`${name.padEnd(20)} ${columns.join(' ')}`);
  }
  await Promise.all([rm(folder, { recursive: true }), bundles.remove()]);
}

const kb = (bytes: number) => (bytes / 1_000).toFixed(0);

/** The bytes of code that importing the entry loads, and the bytes of all code in the bundle. */
export async function sizesOf(folder: string): Promise<{ atStart: number; all: number }> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.mjs'));
  const code = new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const)),
  );
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, imported] of code.get(file)!.matchAll(/(?:^|[;}\s])(?:import|from)\s*"\.\/([\w-]+\.mjs)"/g))
      load(imported!);
  };
  load('index.mjs');
  const bytes = (of: Iterable<string>) => [...of].reduce((sum, file) => sum + Buffer.byteLength(code.get(file)!), 0);
  return { atStart: bytes(loaded), all: bytes(files) };
}

function importOf(file: string): { ms: number; mb: number } {
  const code = `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(file).href)}); console.log(performance.now() - t, process.memoryUsage().rss / 1e6); process.exit(0);`;
  const found = Array.from({ length: runs }, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      env: environment,
    });
    if (status !== 0) throw new Error(`${file} cannot be imported: ${stderr}`);
    return stdout.trim().split(' ').map(Number) as [number, number];
  });
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  return { ms: median(found.map(([ms]) => ms)), mb: median(found.map(([, mb]) => mb)) };
}
