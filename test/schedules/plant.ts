/** Copies of the cache and of this model with a planted fault. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Edit, Fault } from './faults.ts';
import type { Explore } from './search.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const copied = ['shared/cache', 'shared/kernel', 'test/schedules'];

/**
 * Calls `use` with the `explore` function of the faulty copy, then removes the copy. The copy is inside the project, so
 * that packages resolve, in a folder that git ignores.
 *
 * @throws Error  an edit no longer applies
 */
export async function withFault<T>(fault: Fault, use: (explore: Explore) => Promise<T>): Promise<T> {
  await mkdir(join(root, '.build'), { recursive: true });
  const folder = await mkdtemp(join(root, '.build', `planted-${fault.name}-`));
  try {
    for (const part of copied) await cp(join(root, part), join(folder, part), { recursive: true });
    for (const edit of fault.edits) await apply(folder, fault.name, edit);
    const { explore } = (await import(
      /* @vite-ignore */ join(folder, 'test/schedules/explore.ts')
    )) as typeof import('./explore.ts');
    return await use(explore);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function apply(folder: string, name: string, { file, from, to }: Edit): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, 'utf8');
  const found = text.split(from).length - 1;
  if (found !== 1)
    throw new Error(
      `Fault ${name} no longer applies: ${file} contains its text ${found} times. Update \`from\` in faults.ts.`,
    );
  await writeFile(
    path,
    text.replace(from, () => to),
  );
}
