import { cp, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { domains } from '../../functions/registry.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const output = join(root, '.build', 'functions');

/** A function's folder to be deployed, by the function's name. */
export type Bundles = ReadonlyMap<string, string>;

/** The platform's functions beside its API; the file of each is named as the function. */
export const platformFunctions = [
  'relay-outbox',
  'invalidate-cache',
  'create-partitions',
  'migrate',
  'verify-replicas',
  'authorize',
] as const;

/** What is shipped beside the code of a function. */
const files: Record<string, [from: string, to: string][]> = {
  migrate: [['migrations', 'migrations']],
  'platform-api': [
    ['node_modules/swagger-ui-dist/swagger-ui.css', 'swagger-ui.css'],
    ['node_modules/swagger-ui-dist/swagger-ui-bundle.js', 'swagger-ui-bundle.js'],
  ],
};

/** The entry file of each function, as it follows from the domains. */
export function entries(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, jobs, imports } of domains) {
    found.set(`${name}-api`, `functions/${name}/api.ts`);
    if (jobs.length + imports.length > 0) found.set(`${name}-etl`, `functions/${name}/etl.ts`);
  }
  for (const name of platformFunctions) found.set(name, `functions/platform/${name}.ts`);
  return found;
}

/**
 * Bundles every function, each into a folder of its own; what a function loads only on some paths (the AWS SDK, Parquet)
 * becomes a file of its own there.
 *
 * @throws Error  an entry file is missing, or does not compile
 */
export async function bundleFunctions(): Promise<Bundles> {
  await rm(output, { recursive: true, force: true });
  const bundles = new Map<string, string>();
  await Promise.all(
    [...entries()].map(async ([name, entry]) => {
      await stat(join(root, entry)).catch(() => {
        throw new Error(`The function ${name} has no ${entry}.`);
      });
      const folder = join(output, name);
      await bundle(entry, folder);
      for (const [from, to] of files[name] ?? []) await cp(join(root, from), join(folder, to), { recursive: true });
      bundles.set(name, folder);
    }),
  );
  return bundles;
}

async function bundle(entry: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: { index: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    mainFields: ['module', 'main'],
    external: ['pg-native'],
    // some of the packages are CommonJS and ask for Node's own modules
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
}
