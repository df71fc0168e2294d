/** Imported first by scripts: npm puts node_modules/.bin on the PATH, but a script started with plain `node` lacks it. */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binaries = fileURLToPath(new URL('../node_modules/.bin', import.meta.url));
const oldestMajor = 24;

process.env.PATH = [binaries, process.env.PATH].filter(Boolean).join(delimiter);

if (Number.parseInt(process.versions.node, 10) < oldestMajor) {
  const { status, error } = spawnSync(join(binaries, 'node'), [...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
  });
  if (error) console.error(`Node ${oldestMajor} is missing: run npm ci first.`);
  process.exit(status ?? 1);
}
