import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Runtime, startRuntime } from '../../local/runtime.ts';
import { tempFolder } from './temp-folder.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Starts the whole system from a newly synthesized template, with empty state. */
export async function startTestRuntime(): Promise<Runtime> {
  const directory = await tempFolder('tributary-runtime');
  const template = join(directory, 'cdk.out');
  const { status, stderr } = spawnSync(
    'cdk',
    ['synth', '--quiet', '-c', 'stage=prod', '-c', 'nag=off', '-o', template],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const runtime = await startRuntime({ template, directory, port: 0, log: () => {} });
  return {
    ...runtime,
    async stop() {
      await runtime.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
