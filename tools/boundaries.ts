import { createRequire } from 'node:module';
import { cruise, type ICruiseResult } from 'dependency-cruiser';

const config = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

export interface Violation {
  rule: string;
  from: string;
  to: string;
}

/** The imports below `baseDir` that break a rule of .dependency-cruiser.cjs, by file. */
export async function findViolations(baseDir: string, folders: string[]): Promise<Violation[]> {
  const { tsConfig: _, enhancedResolveOptions, ...options } = config.options;
  const rules = { ...options, baseDir, validate: true, ruleSet: { forbidden: config.forbidden } };
  const { output } = await cruise(folders, rules, enhancedResolveOptions);
  const { violations, totalCruised } = (output as ICruiseResult).summary;
  if (totalCruised === 0) throw new Error(`no modules were found below ${folders.join(', ')}`);
  return violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to }));
}
