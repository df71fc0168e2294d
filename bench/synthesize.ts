import { spawnSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Synthesizes the template of `prod` into a new folder, which the caller removes. */
export async function synthesize(): Promise<{ directory: string; template: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  const template = join(directory, 'cdk.out');
  const arguments_ = ['synth', '--quiet', '-c', 'stage=prod', '-c', 'nag=off', '-o', template];
  const { status, stderr } = spawnSync('cdk', arguments_, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { directory, template };
}
