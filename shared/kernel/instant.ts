import * as z from 'zod';

const form =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?(?: ?(Z|UTC|([+-])(\d\d)(?::?(\d\d))?(?: UTC)?))?)?$/i;
const unixSeconds = /^\d{9,11}$/;
/** The years that ISO 8601, Postgres and a Date have in common: 1 to 9999. */
const [firstMs, lastMs] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59Z')];

/** Microseconds since 1970, truncated; undefined if the text is no time. */
function microsOf(text: string): bigint | undefined {
  if (unixSeconds.test(text)) return BigInt(text) * 1_000_000n;
  const [, date, time = '00:00', seconds = '00', fraction = '', , sign, hours = '0', minutes = '0'] =
    form.exec(text) ?? [];
  const local = `${date}T${time}:${seconds}.000Z`;
  const localMs = date === undefined ? Number.NaN : Date.parse(local);
  // a Date takes February 30 for March 2
  if (Number.isNaN(localMs) || new Date(localMs).toISOString() !== local) return undefined;
  if (Number(hours) > 15 || Number(minutes) > 59) return undefined;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  const atMs = sign === '-' ? localMs + offsetMs : localMs - offsetMs;
  if (atMs < firstMs || atMs > lastMs) return undefined;
  return BigInt(atMs) * 1_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
}

/**
 * A time in a file as microseconds since 1970, truncated.
 *
 * Accepts `2021-07-31`, `2017-06-23 21:05:06`, ISO 8601, `2019-11-06 00:30:00 +0000 UTC`, and seconds since 1970 of nine to
 * eleven digits. The default zone is UTC. Years are 1 to 9999.
 */
export const instantMicros = z.string().transform((text, context) => {
  const micros = microsOf(text.trim());
  if (micros !== undefined) return micros;
  context.addIssue({ code: 'custom', message: 'must be a time: ISO 8601, or seconds since 1970' });
  return z.NEVER;
});

/** A time in a file, in the same forms, truncated to milliseconds. */
export const instant = instantMicros.transform(
  (micros) => new Date(Number((micros - modulo(micros, 1_000n)) / 1_000n)),
);

const modulo = (value: bigint, by: bigint) => ((value % by) + by) % by;
