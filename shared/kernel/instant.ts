import * as z from 'zod';

/**
 * Accepts `2021-07-31`, `2017-06-23 21:05:06`, ISO 8601, and `2019-11-06 00:30:00 +0000 UTC`. The default zone is UTC.
 */
function parse(text: string): Date {
  const iso = text
    .trim()
    .replace(/ ([+-]\d\d):?(\d\d)( UTC)?$/, '$1:$2')
    .replace(' ', 'T');
  return new Date(/([zZ]|[+-]\d\d:?\d\d)$/.test(iso) || !iso.includes('T') ? iso : `${iso}Z`);
}

const unixSeconds = /^\d{9,11}$/;
const message = 'must be a time: ISO 8601, or seconds since 1970';

/** A time in a file, truncated to milliseconds. */
export const instant = z
  .string()
  .transform((text) => (unixSeconds.test(text) ? new Date(Number(text) * 1_000) : parse(text)))
  .refine((date) => !Number.isNaN(date.getTime()), message);

/** A time in a file as microseconds since 1970, truncated. */
export const instantMicros = z.string().transform((text, context) => {
  const at = unixSeconds.test(text) ? new Date(Number(text) * 1_000) : parse(text.replace(/(:\d\d)\.\d+/, '$1'));
  if (Number.isNaN(at.getTime())) {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  const fraction = /:\d\d\.(\d+)/.exec(text)?.[1] ?? '';
  return BigInt(at.getTime()) * 1_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
});
