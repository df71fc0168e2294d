/** Scripts import this first. It puts node_modules/.bin on the PATH, as npm does, for scripts started with plain `node`. */
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
  if (error) console.error(`Node ${oldestMajor} is not installed. Run npm ci first.`);
  process.exit(status ?? 1);
}
