import { InvalidInput } from '../../shared/kernel/errors.ts';
import { firstInstant } from './past-instant.ts';

const dayMs = 86_400_000;

/** How a range is limited when the request does not say. */
export interface RangeLimits {
  defaultDays: number;
  maxDays: number;
  /** What the limit is for, in the error: `intervals of 5m`. */
  of: string;
}

/** A range of time, half-open. */
export interface Range {
  since: Date;
  until: Date;
}

/**
 * The range [from, to) of a request: until now if it names no end.
 *
 * @throws InvalidInput  the range is inverted, longer than its limit, in the future, or before 2009-01-03
 */
export function historyRange(
  { from, to }: { from?: string | undefined; to?: string | undefined },
  limits: RangeLimits,
): Range {
  const now = new Date();
  const until = to === undefined ? now : new Date(to);
  const byDefault = Math.max(firstInstant.getTime(), until.getTime() - limits.defaultDays * dayMs);
  const since = new Date(from ?? byDefault);
  if (since < firstInstant || since >= now)
    throw refused('from', `must be from ${firstInstant.toISOString()} until now`, 'The range has no past.');
  if (since >= until) throw refused('to', 'must be after from', 'The range is inverted.');
  if (until.getTime() - since.getTime() > limits.maxDays * dayMs)
    throw refused('from', `must be at most ${limits.maxDays} days before to`, `The range has too many ${limits.of}.`);
  return { since, until };
}

function refused(parameter: string, message: string, summary: string): InvalidInput {
  return new InvalidInput(`${summary} \`${parameter}\` ${message}.`, [{ field: `query.${parameter}`, message }]);
}
