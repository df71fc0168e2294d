/**
 * Where a webhook may be sent: over https to a public address, never into a network of ours. The name is resolved once,
 * all of its addresses are checked, and the connection goes to one of these by number. A name that resolves to something
 * else a moment later changes nothing.
 */
import { Resolver } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import { env } from '../env.ts';
import { TributaryError } from '../kernel/errors.ts';

/** The URL of a webhook, and the address that was checked. */
export interface Target {
  url: URL;
  address: string;
}

/** A webhook may not be sent there. The reason is a sentence's end: `must use https`. */
export class RefusedTarget extends TributaryError {
  constructor(reason: string) {
    super('invalid_input', false, reason);
  }
}

const lookupMs = 3_000;
const globalUnicast = ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number];

/**
 * Checks a URL and resolves its host.
 *
 * @throws RefusedTarget  the URL is malformed, not https, or carries credentials; the name has no address; or one of its
 *                        addresses is not public
 */
export async function resolveTarget(text: string): Promise<Target> {
  const url = parse(text);
  const addresses = await addressesOf(url);
  if (addresses.length === 0) throw new RefusedTarget('must have a host that can be resolved');
  const areAllowed = addresses.every(isAllowed);
  if (!areAllowed && !addresses.every(isPublic)) throw new RefusedTarget('must have a public address');
  if (!areAllowed && url.protocol !== 'https:') throw new RefusedTarget('must use https');
  if (!areAllowed && url.port !== '' && Number(url.port) < 1_024)
    throw new RefusedTarget('must use port 443, or one above 1023');
  return { url, address: choose(addresses) };
}

/** Whether an address is one of the public internet: not of a private, local, shared, reserved, or translated range. */
export function isPublic(address: string): boolean {
  // an IPv4 address that is written as an IPv6 one
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // translations and tunnels to IPv4 that have no range of their own are outside of what is assigned
  return parsed.kind() === 'ipv4' || (parsed as ipaddr.IPv6).match(globalUnicast);
}

function isAllowed(address: string): boolean {
  return env('WEBHOOK_ALLOWED_ADDRESSES').includes(address);
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw new RefusedTarget('must be a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new RefusedTarget('must use https');
  if (url.username !== '' || url.password !== '') throw new RefusedTarget('must not contain credentials');
  return url;
}

/** The host as a number, which the URL parser has brought into one form, or all addresses that its name has now. */
async function addressesOf({ hostname }: URL): Promise<string[]> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.isValid(host)) return [host];
  // not the system's lookup: names that are slow to resolve would take the threads of everybody
  const resolver = new Resolver({ timeout: lookupMs / 2, tries: 1 });
  const timer = setTimeout(() => resolver.cancel(), lookupMs);
  const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  clearTimeout(timer);
  return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}

/** Any of the IPv4 addresses, else of the others: our network reaches the internet by IPv4. */
function choose(addresses: readonly string[]): string {
  const preferred = addresses.filter((address) => ipaddr.IPv4.isValid(address));
  const among = preferred.length > 0 ? preferred : addresses;
  return among[Math.floor(Math.random() * among.length)]!;
}
