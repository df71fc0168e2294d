import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { Plan } from './plan.ts';
import { databaseOwner } from './postgres.ts';

export interface SecretValues {
  /** By the secret's logical id, which is used as its ARN. */
  values: Map<string, Record<string, unknown>>;
  adminToken: string;
}

/**
 * The values of the template's secrets on this machine. The settings that refer to a secret identify it. Random values
 * stay the same between runs, in `file`.
 */
export async function secretValues(
  { functions, secrets }: Plan,
  file: string,
  upstreamSecrets: Readonly<Record<string, Record<string, string>>>,
): Promise<SecretValues> {
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Record<string, string>;
  const random = (name: string) => (kept[name] ??= randomBytes(18).toString('hex'));
  const adminToken = random('adminToken');
  const known = new Map<string, Record<string, unknown>>();
  for (const [setting, id] of functions.flatMap(({ environment }) => Object.entries(environment))) {
    const upstream = /^UPSTREAM_(\w+)_SECRET_ARN$/.exec(setting)?.[1]?.toLowerCase();
    if (upstream !== undefined) known.set(id, upstreamSecrets[upstream]!);
    if (setting === 'ADMIN_TOKEN_SECRET_ARN')
      known.set(id, { sha256: createHash('sha256').update(adminToken).digest('hex') });
  }
  const values = [...secrets].map(
    ([id, { template }]) => [id, known.get(id) ?? generated(template, random(id))] as const,
  );
  await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
  return { values: new Map(values), adminToken };
}

/** The value that CloudFormation would generate. The cluster's owner has a fixed password. */
function generated(template = '{}', password: string): Record<string, unknown> {
  const value = JSON.parse(template) as { username?: string };
  return { ...value, password: value.username === databaseOwner.user ? databaseOwner.password : password };
}
