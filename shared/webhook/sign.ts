/** Signatures of webhooks by the Standard Webhooks rules (https://www.standardwebhooks.com), with symmetric secrets. */
import { createHmac, randomBytes } from 'node:crypto';

const secretBytes = 32;

/** A new secret of 256 random bits. */
export function newSecret(): Buffer {
  return randomBytes(secretBytes);
}

/** A secret as its owner gets it: `whsec_` and base64. */
export function secretText(secret: Buffer): string {
  return `whsec_${secret.toString('base64')}`;
}

/**
 * The headers of a webhook, signed with each secret: receivers accept a message if one of its signatures matches.
 *
 * @param id   the same for every attempt, so that receivers can drop what they got before
 * @param at   the time of the attempt, which receivers compare with their clock
 */
export function signedHeaders(
  { id, body, at }: { id: string; body: string; at: Date },
  secrets: readonly Buffer[],
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const signatureWith = (secret: Buffer) =>
    `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map(signatureWith).join(' '),
  };
}
