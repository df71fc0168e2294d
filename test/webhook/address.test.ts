/** A webhook goes to the public internet only, however its address is written, and whatever its name resolves to. */
import { Resolver } from 'node:dns/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { forgetEnv } from '../../shared/env.ts';
import { isPublic, resolveTarget } from '../../shared/webhook/address.ts';

const allow = (addresses: string) => {
  process.env.WEBHOOK_ALLOWED_ADDRESSES = addresses;
  forgetEnv();
};
beforeEach(() => allow(''));
afterEach(() => vi.restoreAllMocks());

/** Every name has these addresses. */
const resolvesTo = (...addresses: string[]) => {
  const of = (isV6: boolean) => async () => addresses.filter((one) => one.includes(':') === isV6);
  return [
    vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation(of(false) as never),
    vi.spyOn(Resolver.prototype, 'resolve6').mockImplementation(of(true) as never),
  ];
};

const inside = [
  ['this network', '0.0.0.0', '0.1.2.3'],
  ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1', 'fc00::1'],
  ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
  ['link-local, with the metadata service', '169.254.169.254', '169.254.0.1', 'fe80::1', 'fd00:ec2::254'],
  ['shared by providers', '100.64.0.1', '100.127.255.255'],
  ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
  ['broadcast', '255.255.255.255'],
  ['reserved', '240.0.0.1', '192.0.0.1', '192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1'],
  ['benchmarks', '198.18.0.1', '198.19.255.255', '2001:2::1'],
  ['unspecified', '::'],
  ['IPv4 in IPv6', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '::ffff:0:127.0.0.1'],
  ['translated to IPv4', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '64:ff9b::808:808'],
  ['tunnels to IPv4', '2002:7f00:1::', '2002:a00:1::1', '2001::1'],
  ['deprecated', 'fec0::1', '192.88.99.1'],
] as [string, ...string[]][];

test.each(inside)('addresses of a range that is %s are not public', (_, ...addresses) => {
  expect(addresses.filter(isPublic)).toEqual([]);
});

test('addresses of the internet are public', () => {
  const addresses = ['1.1.1.1', '93.184.216.34', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '::ffff:1.1.1.1'];
  expect(addresses.filter((one) => !isPublic(one))).toEqual([]);
});

test.each([
  'https://127.0.0.1/',
  'https://127.0.0.1./',
  'https://127.1/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://017700000001/',
  'https://2130706433/',
  'https://0/',
  'https://①②⑦.0.0.1/',
  'https://127。0。0。1/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::]/',
  'https://[fd00::1]/',
  'https://[64:ff9b::a9fe:a9fe]/',
  'https://169.254.169.254/latest/meta-data/',
  'https://0xa9fea9fe/',
  'https://2852039166/',
  'https://10.0.0.1:8443/',
  'https://%31%32%37.0.0.1/',
])('%s is refused: it is not public', async (url) => {
  const [resolve4] = resolvesTo('1.1.1.1');
  await expect(resolveTarget(url)).rejects.toThrow('must have a public address');
  // it is a number, and nothing to resolve
  expect(resolve4).not.toHaveBeenCalled();
});

test.each([
  ['http://example.com/', 'must use https'],
  ['ftp://example.com/', 'must use https'],
  ['file:///etc/passwd', 'must use https'],
  ['gopher://example.com/', 'must use https'],
  ['https://user@example.com/', 'must not contain credentials'],
  ['https://user:password@example.com/', 'must not contain credentials'],
  ['https://:password@example.com/', 'must not contain credentials'],
  ['https://1.1.1.1@127.0.0.1/', 'must not contain credentials'],
  ['https://example.com:22/', 'must use port 443'],
  ['https://example.com:0/', 'must use port 443'],
  ['https://[::1%25eth0]/', 'must be a URL'],
  ['https://256.256.256.256/', 'must be a URL'],
  ['https://exa mple.com/', 'must be a URL'],
  ['https://', 'must be a URL'],
  ['//example.com', 'must be a URL'],
  ['', 'must be a URL'],
])('%s is refused: %s', async (url, reason) => {
  resolvesTo('1.1.1.1');
  await expect(resolveTarget(url)).rejects.toThrow(reason);
});

test.each([
  [['10.0.0.1']],
  [['127.0.0.1']],
  [['::1']],
  [['::ffff:169.254.169.254']],
  // one of several is enough
  [['1.1.1.1', '192.168.0.1']],
  [['1.1.1.1', 'fd00::1']],
])('a name that resolves to %s is refused', async (addresses) => {
  resolvesTo(...addresses);
  await expect(resolveTarget('https://example.com/')).rejects.toThrow('must have a public address');
});

test('a name that does not resolve is refused', async () => {
  resolvesTo();
  await expect(resolveTarget('https://nowhere.example/')).rejects.toThrow('must have a host that can be resolved');
});

test('a public name is resolved once, and IPv4 is preferred', async () => {
  const [resolve4, resolve6] = resolvesTo('2606:4700:4700::1111', '1.1.1.1');
  const { url, address } = await resolveTarget('https://BÜCHER.example.:8443/a?b=c');
  expect([url.href, address]).toEqual(['https://xn--bcher-kva.example.:8443/a?b=c', '1.1.1.1']);
  expect([resolve4!.mock.calls, resolve6!.mock.calls]).toEqual([
    [['xn--bcher-kva.example.']],
    [['xn--bcher-kva.example.']],
  ]);
});

test('an allowed address may be private and without TLS; another one may not', async () => {
  allow('127.0.0.1');
  expect((await resolveTarget('http://127.0.0.1:81/')).address).toBe('127.0.0.1');
  await expect(resolveTarget('http://127.0.0.2/')).rejects.toThrow('must have a public address');
  resolvesTo('127.0.0.1', '10.0.0.1');
  await expect(resolveTarget('http://example.com/')).rejects.toThrow('must have a public address');
});
