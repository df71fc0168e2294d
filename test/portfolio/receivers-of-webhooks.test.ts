/** A receiver of webhooks costs itself alone, whatever it does. */
import { Resolver } from 'node:dns/promises';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { createAlerts, minutesAgo, priceAlert, startReceiver } from '../support/alerts.ts';
import { certificate, key } from '../support/certificate.ts';
import { waitFor } from '../support/wait-for.ts';

const { createOwner, recordPrice, evaluate, deliver, q } = await createAlerts();
const owner = await createOwner();
afterEach(() => vi.restoreAllMocks());
let symbols = 0;

async function createFiring(url: string, times = 1, by = owner) {
  const symbol = `R${++symbols}`;
  await recordPrice(symbol, minutesAgo(1_000), 1);
  const { status, json } = await by.call('/v1/alerts', { method: 'POST', body: priceAlert(symbol, '10', url) });
  if (status !== 200) throw new Error(JSON.stringify(json));
  await q(`update portfolio.alerts set active_since = now() - interval '999 minutes' where id = $1`, [json.id]);
  const fire = async (n: number) => {
    for (let i = 0; i < n; i++) {
      await recordPrice(symbol, minutesAgo(900 - 2 * symbols - 2 * i), 20 + i);
      await recordPrice(symbol, minutesAgo(899 - 2 * symbols - 2 * i), 1);
    }
    await evaluate();
  };
  await fire(times);
  const firings = async () => (await by.call(`/v1/alerts/${json.id}/firings`)).json.firings;
  const replay = (id: string) => by.call(`/v1/alerts/${json.id}/firings/${id}/replay`, { method: 'POST' });
  return { id: json.id as string, symbol, firings, replay };
}

/** A server that speaks TCP alone. */
async function startTcp(onConnection: (socket: Socket) => void) {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const open = new Set<Socket>();
  server.on('connection', (socket) => open.add(socket));
  afterAll(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const deliveryOf = async ({ firings }: { firings(): Promise<{ delivery: object }[]> }) =>
  (await firings())[0]!.delivery;

test('receivers that hang hold up nobody else, and are given up after ten seconds', async () => {
  const silent = await startTcp(() => {});
  // one byte of a header at a time
  const slow = await startTcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx: ');
    const timer = setInterval(() => socket.write('y'), 500);
    socket.on('close', () => clearInterval(timer));
  });
  const hanging = [];
  for (const url of [silent, slow]) for (let i = 0; i < 3; i++) hanging.push(await createFiring(url));
  const receiver = await startReceiver();
  const good = await createFiring(receiver.url, 20, await createOwner());
  let hasEnded = false;
  const delivering = deliver().finally(() => {
    hasEnded = true;
  });
  await waitFor('the good receiver to have all', () => receiver.received.length === 20, 9_000);
  expect(hasEnded).toBe(false);
  expect(await delivering).toMatchObject({ status: 'succeeded', result: { delivered: 20, failed: 6 } });
  expect(
    (await good.firings()).every((one: { delivery: { status: string } }) => one.delivery.status === 'delivered'),
  ).toBe(true);
  for (const one of hanging)
    expect(await deliveryOf(one)).toMatchObject({
      status: 'pending',
      attempts: 1,
      lastError: 'The receiver did not answer within 10 s.',
    });
  await q('delete from portfolio.alerts');
}, 60_000);

test.each<[string, RequestListener, string | null]>([
  [
    'redirects',
    (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/inside' }).end(),
    'The receiver answered with 302.',
  ],
  [
    'redirects for good',
    (_, response) => response.writeHead(308, { location: '/other' }).end(),
    'The receiver answered with 308.',
  ],
  ['fails', (_, response) => response.writeHead(500).end(), 'The receiver answered with 500.'],
  ['is gone', (_, response) => response.writeHead(410).end(), 'The receiver answered with 410.'],
  ['hangs up', (request) => request.socket.destroy(), 'The connection failed: ECONNRESET.'],
  [
    'sends endless headers',
    (_, response) => response.writeHead(200, { x: 'x'.repeat(100_000) }).end(),
    'The connection failed: HPE_HEADER_OVERFLOW.',
  ],
  ['accepts with a long body', (_, response) => response.writeHead(200).end('x'.repeat(1_000_000)), null],
])('a receiver that %s is recorded as such', async (_, answer, lastError) => {
  const receiver = await startReceiver(answer);
  const alert = await createFiring(receiver.url);
  await deliver();
  expect(await deliveryOf(alert)).toMatchObject({ status: lastError === null ? 'delivered' : 'pending', lastError });
  expect(receiver.received.map(({ path }) => path)).toEqual(['/hook']);
});

test('what is not HTTP is recorded as such', async () => {
  const alert = await createFiring(await startTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n')));
  await deliver();
  expect(await deliveryOf(alert)).toMatchObject({ lastError: 'The connection failed: HPE_INVALID_CONSTANT.' });
});

test('of an endless body nothing is read, and the connection is closed', async () => {
  let sent = 0;
  let isClosed = false;
  const receiver = await startReceiver((_, response) => {
    response.writeHead(200);
    const write = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536;
    };
    response.on('drain', write).on('close', () => {
      isClosed = true;
    });
    write();
  });
  const alert = await createFiring(receiver.url);
  await deliver();
  expect(await deliveryOf(alert)).toMatchObject({ status: 'delivered' });
  await waitFor('the end of the connection', () => isClosed);
  // what the buffers of two sockets hold
  expect(sent).toBeLessThan(20_000_000);
});

test('a receiver that fails for a day gets its last attempt after 24 hours; then it is dead, and can be replayed', async () => {
  let status = 500;
  const receiver = await startReceiver((_, response) => response.writeHead(status).end());
  const alert = await createFiring(receiver.url, 2);
  const delays: number[] = [];
  for (;;) {
    await deliver();
    const [first] = await q(
      `select id, status, first_attempt_at, extract(epoch from next_attempt_at - now())::float8 as delay,
         extract(epoch from now() - first_attempt_at)::float8 as since
       from portfolio.alert_firings where alert_id = $1 order by id limit 1`,
      [alert.id],
    );
    if (first.status === 'dead') {
      expect(first.since).toBeGreaterThanOrEqual(86_400);
      expect(first.since).toBeLessThan(86_460);
      break;
    }
    delays.push(first.delay);
    // the clock moves on to the next attempt
    await q(
      `update portfolio.alert_firings set first_attempt_at = first_attempt_at - make_interval(secs => $2),
         next_attempt_at = next_attempt_at - make_interval(secs => $2) where alert_id = $1`,
      [alert.id, first.delay],
    );
  }
  // a minute, doubled up to four hours, each give or take a tenth, and what is left of the day
  expect([13, 14]).toContain(delays.length);
  for (const [i, delay] of delays.slice(0, -1).entries()) {
    expect(delay).toBeGreaterThan(Math.min(60 * 2 ** i, 14_400) * 0.85);
    expect(delay).toBeLessThan(Math.min(60 * 2 ** i, 14_400) * 1.11);
  }
  const [second, first] = await alert.firings();
  expect([first, second]).toMatchObject([
    {
      delivery: {
        status: 'dead',
        attempts: delays.length + 1,
        nextAttemptAt: null,
        lastError: 'The receiver answered with 500.',
      },
    },
    { delivery: { status: 'pending', attempts: 1 } },
  ]);
  expect((await alert.replay(second.id)).status).toBe(409);
  // the next one had its turn as soon as that was given up
  status = 204;
  await q('update portfolio.alert_firings set next_attempt_at = now() where id = $1', [second.id]);
  await deliver();
  expect((await alert.firings())[0].delivery.status).toBe('delivered');
  const before = receiver.received.length;
  expect(await alert.replay(first.id)).toMatchObject({
    status: 202,
    json: { delivery: { status: 'pending', attempts: 0 } },
  });
  expect(
    await q(`select type from platform.outbox where entities = array['alerts:' || $1] order by id desc limit 1`, [
      alert.id,
    ]),
  ).toEqual([{ type: 'firings_queued' }]);
  await deliver();
  expect((await alert.firings())[1].delivery).toMatchObject({ status: 'delivered', attempts: 1, lastError: null });
  const [replayed] = receiver.received.slice(before);
  expect(replayed).toMatchObject({ body: receiver.received[0]!.body });
  expect(replayed!.headers['webhook-id']).toBe(receiver.received[0]!.headers['webhook-id']);
  expect((await alert.replay(first.id)).status).toBe(409);
}, 60_000);

test('a name is resolved once for each delivery, and the connection goes to that address with its name', async () => {
  const addresses: string[] = [];
  const resolve4 = vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation((async () => addresses) as never);
  vi.spyOn(Resolver.prototype, 'resolve6').mockImplementation((async () => []) as never);
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, certificate]);
  const seen: unknown[] = [];
  const server = createTlsServer({ cert: certificate, key }, (request, response) => {
    seen.push([(request.socket as TLSSocket).servername, request.headers.host, request.url]);
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const create = (host: string) => {
    addresses.splice(0, 1, '127.0.0.1');
    return createFiring(`https://${host}:${port}/a?b=c`);
  };
  try {
    const alert = await create('hooks.example.com');
    resolve4.mockClear();
    await deliver();
    expect(await deliveryOf(alert)).toMatchObject({ status: 'delivered' });
    expect(seen).toEqual([['hooks.example.com', `hooks.example.com:${port}`, '/a?b=c']]);
    expect(resolve4.mock.calls).toEqual([['hooks.example.com']]);
    // a certificate of another name
    const other = await create('other.example.com');
    await deliver();
    expect(await deliveryOf(other)).toMatchObject({
      lastError: 'The connection failed: ERR_TLS_CERT_ALTNAME_INVALID.',
    });
    // the name was public when the alert was created, and is not any more
    const rebound = await create('hooks.example.com');
    addresses.splice(0, 1, '10.0.0.1');
    await deliver();
    expect(await deliveryOf(rebound)).toMatchObject({ lastError: 'The URL must have a public address.' });
    expect(seen).toHaveLength(1);
  } finally {
    setDefaultCACertificates(before);
    server.close();
  }
});

test('a URL is kept in its canonical form, which has a limit', async () => {
  const create = (url: string) => owner.call('/v1/alerts', { method: 'POST', body: priceAlert('R1', '10', url) });
  expect((await create(' http:\\\\127.1:9\\a b\t')).json.webhookUrl).toBe('http://127.0.0.1:9/a%20b');
  const { status, json } = await create(`http://127.0.0.1/${'é'.repeat(1_000)}`);
  expect([status, json.detail]).toEqual([400, expect.stringContaining('at most 2000 characters')]);
});

test('an alert cannot be created for an address inside the network', async () => {
  for (const url of ['http://10.0.0.1/', 'https://169.254.169.254/', 'https://[::1]/', 'http://1.1.1.1/']) {
    const { status, json } = await owner.call('/v1/alerts', { method: 'POST', body: priceAlert('R1', '10', url) });
    expect([url, status, json.errors[0].field]).toEqual([url, 400, 'body.webhookUrl']);
  }
});
