import * as z from 'zod';

/** An account or contract on an EVM chain: `0x` and 40 hex digits. Input may have any case; output is lower case. */
export const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be 0x and 40 hex digits')
  .transform((text) => text.toLowerCase())
  .meta({ id: 'Address', description: '0x and 40 hex digits, lower case', examples: [`0x${'ab'.repeat(20)}`] });

/** Whether a normalized name is an address. */
export function isAddress(name: string): boolean {
  return /^0x[0-9a-f]{40}$/.test(name);
}

/** A transaction hash: `0x` and 64 hex digits. Output is lower case. */
export const transactionHash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'must be 0x and 64 hex digits')
  .transform((text) => text.toLowerCase());

/** The sender of minted tokens and the recipient of burned ones. */
export const zeroAddress = `0x${'0'.repeat(40)}`;

/** The bytes of a `0x…` string, as stored in `bytea` columns. */
export function toBytes(hex: string): Buffer {
  return Buffer.from(hex.slice(2), 'hex');
}

/** An account on Flow: `0x` and 16 hex digits. Input may have any case; output is lower case. */
export const flowAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{16}$/, 'must be 0x and 16 hex digits')
  .transform((text) => text.toLowerCase())
  .meta({ id: 'FlowAddress', description: '0x and 16 hex digits, lower case', examples: ['0x4c9056be3f0deb2a'] });
