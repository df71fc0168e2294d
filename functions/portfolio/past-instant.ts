import { InvalidInput } from '../../shared/kernel/errors.ts';

/** Before the first block of Bitcoin nothing had a price. */
export const firstInstant = new Date('2009-01-03T00:00:00Z');

/**
 * The instant that a request asks for, cut to milliseconds; now if it names none.
 *
 * @param field  the field of the request, for the error
 * @throws InvalidInput  it is in the future, or before 2009-01-03
 */
export function pastInstant(at: string | undefined, field: string): Date {
  const now = new Date();
  if (at === undefined) return now;
  const instant = new Date(at);
  if (instant >= firstInstant && instant <= now) return instant;
  const message = 'must be from 2009-01-03T00:00:00Z until now';
  throw new InvalidInput(`\`at\` ${message}.`, [{ field, message }]);
}
