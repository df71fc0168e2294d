import { cp, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { FunctionPlan } from '../functions.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const buildFolder = join(root, '.build');

export interface Bundles {
  /** The folder to deploy, by the function's name. */
  folders: ReadonlyMap<string, string>;
  /** Deletes them. Synthesis has its own copy by then. */
  remove(): Promise<void>;
}

/**
 * Bundles every function into its own folder. Code that a function loads only on some paths (the AWS SDK, Parquet)
 * becomes a separate file there. Each call writes to a new folder, so that two processes can bundle at once.
 *
 * @throws Error  an entry file is missing or does not compile
 */
export async function bundleFunctions(plans: readonly FunctionPlan[]): Promise<Bundles> {
  await mkdir(buildFolder, { recursive: true });
  const output = await mkdtemp(join(buildFolder, 'functions-'));
  const remove = () => rm(output, { recursive: true, force: true });
  const bundled = await Promise.allSettled(
    plans.map(async (plan) => [plan.name, await bundleFunction(plan, join(output, plan.name))] as const),
  );
  const failed = bundled.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  if (failed) {
    await remove();
    throw failed.reason;
  }
  return { folders: new Map(bundled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))), remove };
}

async function bundleFunction({ name, entry, files }: FunctionPlan, folder: string): Promise<string> {
  await stat(join(root, entry)).catch(() => {
    throw new Error(`The function ${name} has no entry file. Write ${entry}, which exports its handler.`);
  });
  await mkdir(folder);
  await bundle(entry, folder);
  for (const [from, to] of Object.entries(files)) await cp(join(root, from), join(folder, to), { recursive: true });
  return folder;
}

async function bundle(entry: string, folder: string): Promise<void> {
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
    // some packages are CommonJS and require Node's own modules
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
}
