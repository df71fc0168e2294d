/**
 * Keys of owners: bearer tokens `key_<id>_<secret>`, of which only the hash is stored. The id finds the row, so that the
 * secret is only ever compared as a hash, in constant time.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import sql from 'sql-template-tag';
import { readProvably } from '../db/read.ts';
import { Unauthorized } from '../kernel/errors.ts';
import { ulid } from '../kernel/ulid.ts';

const form = /^Bearer (key_([0-7][0-9A-HJKMNP-TV-Z]{25})_[\w-]{43})$/;

/** A new key: its id, its token with 256 random bits, and the hash to store. */
export function newKey(): { id: string; token: string; sha256: Buffer } {
  const id = ulid();
  const token = `key_${id}_${randomBytes(32).toString('base64url')}`;
  return { id, token, sha256: hashOf(token) };
}

/**
 * The id of the key in an Authorization header. Read from the primary, so that a revoked key is refused at once.
 *
 * @throws Unauthorized  the header has no token, or the token is not of a key, or the key is revoked
 */
export async function keyIdOf(authorization: string | undefined): Promise<string> {
  const [, token, id] = form.exec(authorization ?? '') ?? [];
  if (token === undefined || id === undefined) throw refused();
  const { rows } = await readProvably<{ sha256: Buffer }>(
    sql`select sha256 from platform.keys where id = ${id} and revoked_at is null`,
    { host: 'writer' },
  );
  // a comparison for unknown ids too, so that the time of an answer does not tell them apart
  const isEqual = timingSafeEqual(hashOf(token), rows[0]?.sha256 ?? Buffer.alloc(32));
  if (!isEqual) throw refused();
  return id;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function refused(): Unauthorized {
  return new Unauthorized(
    'This operation requires the key of an owner. Send it as a bearer token in the Authorization header.',
  );
}
