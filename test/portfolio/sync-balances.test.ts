import { beforeEach, expect, test } from 'vitest';
import { createToken, setBalance, type Token } from '../../local/upstreams/tokens.ts';
import { createChains } from '../support/chains.ts';

const { q, runJob, addToken, addWallet, ethereum, base } = await createChains();
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const [alice, bob] = [addressOf(0xa11ce), addressOf(0xb0b)];
const maxUint256 = 2n ** 256n - 1n;

let tokens = 100;
/** A new token of a chain, with the decimals that its contract reports. */
async function newToken(decimals = 18, chain = base): Promise<Token & { address: string }> {
  const address = addressOf(++tokens);
  const token = createToken(decimals);
  chain.tokens.set(address, token);
  await addToken(chain === base ? 'base' : 'ethereum', address, `T${tokens}`);
  return Object.assign(token, { address });
}
const balances = async () =>
  Object.fromEntries(
    (
      await q(
        `select t.symbol || ' ' || right(portfolio.wallet_name(w.address), 3) as pair, trim_scale(b.balance)::text as balance
         from portfolio.token_balances b join portfolio.tokens t on t.id = b.token_id join portfolio.wallets w on w.id = b.wallet_id
         order by 1`,
      )
    ).map(({ pair, balance }) => [pair, balance]),
  );
const quarantined = async () => await q(`select unit, reason from platform.quarantine order by 1`);

beforeEach(async () => {
  await q('truncate portfolio.tokens, portfolio.wallets, platform.quarantine, platform.checkpoints cascade');
  await addWallet(alice);
  await addWallet(bob);
  await addWallet(addressOf(0xdead), false);
  for (const chain of [ethereum, base]) chain.tokens.clear();
});

test('balances of tracked wallets are exact, whatever the decimals, and zero is one', async () => {
  const [whole, usual, extreme] = [await newToken(0), await newToken(18, ethereum), await newToken(77)];
  const at = 0n;
  setBalance(whole, alice, at, maxUint256);
  setBalance(usual, alice, at, maxUint256);
  setBalance(extreme, alice, at, maxUint256);
  setBalance(usual, bob, at, 1n);
  const job = await runJob('syncBalances');
  expect(job).toMatchObject({ status: 'succeeded', error: null, rows_applied: 6, result: { failures: {} } });
  const [w, u, e] = [whole, usual, extreme].map(({ address }) => `T${Number(address)}`);
  const digits = maxUint256.toString();
  expect(await balances()).toEqual({
    [`${w} 1ce`]: digits,
    [`${w} b0b`]: '0',
    [`${u} 1ce`]: `${digits.slice(0, -18)}.${digits.slice(-18)}`,
    [`${u} b0b`]: '0.000000000000000001',
    [`${e} 1ce`]: `${digits.slice(0, -77)}.${digits.slice(-77)}`,
    [`${e} b0b`]: '0',
  });
  const [{ n }] = await q('select count(*)::int as n from portfolio.tokens where decimals in (0, 18, 77)');
  expect(n).toBe(3);
});

test('all calls of a run are at one block, which is stored with its time', async () => {
  const [one, other] = [await newToken(), await newToken()];
  setBalance(one, alice, 0n, 10n ** 18n);
  setBalance(other, alice, 0n, 10n ** 18n);
  const head = base.head();
  // with every request, the chain moves on, and all that she had is gone
  base.beforeCall = () => {
    base.mine();
    for (const token of [one, other]) setBalance(token, alice, base.head(), 0n);
  };
  await runJob('syncBalances');
  const calls = base.requests.filter(({ method }) => method === 'eth_call').map(({ block }) => BigInt(block!));
  expect([calls.length, ...new Set(calls)]).toEqual([2, head]);
  const rows = await q(
    'select distinct trim_scale(balance)::text as balance, block, as_of from portfolio.token_balances b join portfolio.wallets w on w.id = b.wallet_id where address = $1',
    [Buffer.from(alice.slice(2), 'hex')],
  );
  expect(rows).toEqual([{ balance: '1', block: String(head), as_of: new Date(Number(head) * 2_000) }]);
});

test('if a reorg removes the block, everything is read again at another one', async () => {
  const token = await newToken();
  setBalance(token, alice, 0n, 10n ** 18n);
  let reorgs = 0;
  base.beforeCall = () => {
    if (reorgs++ > 0) return;
    base.reorg();
    base.mine();
    setBalance(token, alice, base.head(), 3n * 10n ** 18n);
  };
  expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  expect(Object.values(await balances())).toEqual(['3', '0']);
});

test('a token that reverts, and what is no contract, cost themselves alone', async () => {
  const [good, bad] = [await newToken(), await newToken()];
  setBalance(good, alice, 0n, 10n ** 18n);
  bad.reverts = () => true;
  await q('update portfolio.tokens set decimals = 18');
  await addToken('base', addressOf(0xe0a), 'EOA', { decimals: 6 });
  for (let i = 0; i < 40; i++) await newToken();
  expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded', rows_applied: 82 });
  expect((await quarantined()).map(({ unit }) => unit)).toEqual(
    [`base:${addressOf(0xe0a)}`, `base:${bad.address}`].sort(),
  );
  base.requests.length = 0;
  // they are not asked for again at once, and come back when they work
  expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded' });
  bad.reverts = () => false;
  await q('update platform.quarantine set retry_at = now()');
  await runJob('syncBalances');
  expect((await quarantined()).map(({ unit }) => unit)).toEqual([`base:${addressOf(0xe0a)}`]);
});

test('a token that fails for one wallet is recorded for the others', async () => {
  const token = await newToken();
  setBalance(token, bob, 0n, 10n ** 18n);
  token.reverts = (account) => account === alice;
  expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect(await quarantined()).toMatchObject([{ unit: `base:${token.address} of ${alice}` }]);
});

test('a token with decimals that no amount has is quarantined', async () => {
  const [{ address }] = [await newToken(78), await newToken()];
  expect(await runJob('syncBalances')).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  expect(await quarantined()).toEqual([{ unit: `base:${address}`, reason: '78 decimals are not supported.' }]);
});

test('more than 5 % of the tokens failing at once fails the run, after all others were recorded', async () => {
  const [good, ...bad] = [await newToken(), await newToken(), await newToken()];
  setBalance(good, alice, 0n, 5n);
  for (const token of bad) token.reverts = () => true;
  expect(await runJob('syncBalances')).toMatchObject({
    status: 'failed',
    error: { code: 'integrity' },
    rows_applied: 2,
  });
});

test('a node that is down, lost its chain, or answers nonsense costs its chain alone, and no token', async () => {
  const token = await newToken();
  await newToken(18, ethereum);
  setBalance(token, alice, 0n, 7n);
  ethereum.faults.set({ kind: 'server-error', count: 3 });
  expect(await runJob('syncBalances')).toMatchObject({
    status: 'succeeded',
    rows_applied: 2,
    result: { failures: { ethereum: expect.stringContaining('responded with 503') } },
  });
  ethereum.faults.set({ kind: 'garbage', count: 1 });
  expect((await runJob('syncBalances')).result).toEqual({
    failures: { ethereum: expect.stringContaining('unexpected response') },
  });
  // the calls themselves, not only the block
  ethereum.beforeCall = () => ethereum.faults.set({ kind: 'truncated', count: 3 });
  expect((await runJob('syncBalances')).result).toEqual({
    failures: { ethereum: expect.stringContaining('truncated') },
  });
  ethereum.faults.set(undefined);
  expect(await quarantined()).toEqual([]);
});

test('if no node answers, the job tries again', async () => {
  await newToken();
  await newToken(18, ethereum);
  for (const chain of [ethereum, base]) chain.faults.set({ kind: 'rate-limited', count: 9, retryAfterSeconds: 40 });
  expect(await runJob('syncBalances')).toMatchObject({ status: 'running', error: { code: 'rate_limited' } });
});
