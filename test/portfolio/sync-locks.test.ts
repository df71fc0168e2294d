import { beforeEach, expect, test } from 'vitest';
import { veAeroEscrow } from '../../functions/portfolio/sources/locks.ts';
import { createChains } from '../support/chains.ts';

const { q, runJob, addWallet, ethereum, base } = await createChains();
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const [alice, bob, carol] = [0xa11ce, 0xb0b, 0xca201].map(addressOf) as [string, string, string];
const unit = 10n ** 18n;
const inAYear = BigInt(Math.floor(Date.now() / 1_000) + 365 * 86_400);

const locks = async () =>
  q(`select p.external_id as id, right(portfolio.wallet_name(w.address), 3) as owner, trim_scale(l.amount)::text as amount,
       extract(epoch from l.unlock_at)::bigint::text as ends, l.block, t.symbol
     from portfolio.governance_locks l join portfolio.positions p on p.id = l.position_id
       left join portfolio.wallets w on w.id = p.wallet_id left join portfolio.tokens t on t.id = p.token_id order by 1`);

beforeEach(async () => {
  await q(
    'truncate portfolio.tokens, portfolio.wallets, portfolio.positions, platform.quarantine, platform.checkpoints cascade',
  );
  await addWallet(alice);
  await addWallet(bob);
  base.locks.locks = [];
  ethereum.locks.locks = [];
});

/** Sets a lock from the next block on. */
function lock(chain: typeof base, id: bigint, owner: string, amount: bigint, end: bigint): void {
  chain.mine();
  chain.locks.locks.push({ id, owner, amount, end, fromBlock: chain.head() });
}

test('locks of both escrows are recorded at one block, with all digits', async () => {
  lock(base, 17n, alice, 123_456_789_012_345_678_901n, inAYear);
  lock(base, 18n, alice, 5n * unit, 0n);
  lock(ethereum, 1n, bob, 2n ** 127n - 1n, inAYear);
  expect(await runJob('syncLocks')).toMatchObject({ status: 'succeeded', rows_applied: 3, result: { failures: {} } });
  const digits = (2n ** 127n - 1n).toString();
  const [onBase, onEthereum] = [base.head(), ethereum.head()].map(String);
  expect(await locks()).toEqual([
    {
      id: bob,
      owner: 'b0b',
      amount: `${digits.slice(0, -18)}.${digits.slice(-18)}`,
      ends: String(inAYear),
      block: onEthereum,
      symbol: 'CRV',
    },
    { id: '17', owner: '1ce', amount: '123.456789012345678901', ends: String(inAYear), block: onBase, symbol: 'AERO' },
    { id: '18', owner: '1ce', amount: '5', ends: null, block: onBase, symbol: 'AERO' },
  ]);
  const [{ n }] = await q('select count(*)::int as n from portfolio.position_snapshots');
  expect(n).toBe(3);
  // who never locked anything has no lock of nothing
  expect((await locks()).filter(({ id }) => id === alice)).toEqual([]);
});

test('a lock that is gone becomes one of nothing, and keeps its end', async () => {
  lock(base, 17n, alice, unit, inAYear);
  lock(ethereum, 1n, bob, unit, inAYear);
  await runJob('syncLocks');
  lock(base, 17n, alice, 0n, 0n);
  lock(ethereum, 1n, bob, 0n, 0n);
  await runJob('syncLocks');
  expect(await locks()).toMatchObject([
    { id: bob, amount: '0', ends: String(inAYear) },
    { id: '17', amount: '0', ends: String(inAYear), owner: '1ce' },
  ]);
});

test('a lock that was transferred gets its new owner', async () => {
  lock(base, 17n, alice, unit, inAYear);
  lock(base, 18n, alice, unit, inAYear);
  await runJob('syncLocks');
  lock(base, 17n, bob, unit, inAYear);
  lock(base, 18n, carol, unit, inAYear);
  await runJob('syncLocks');
  expect(await locks()).toMatchObject([
    { id: '17', owner: 'b0b', amount: '1' },
    { id: '18', owner: '201', amount: '1' },
  ]);
});

test('a lock that moves between two requests is read as of the block', async () => {
  lock(base, 17n, alice, unit, inAYear);
  base.beforeCall = () => lock(base, 17n, bob, 9n * unit, 0n);
  await runJob('syncLocks');
  expect(await locks()).toMatchObject([{ id: '17', owner: '1ce', amount: '1' }]);
});

test('a lock with an end that no calendar has costs itself alone', async () => {
  lock(base, 17n, alice, unit, 2n ** 255n);
  lock(base, 18n, alice, unit, inAYear);
  expect(await runJob('syncLocks')).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect(await locks()).toMatchObject([{ id: '18' }]);
  expect(await q('select unit from platform.quarantine')).toEqual([{ unit: 'veAERO:17' }]);
});

test('an account with more locks than anybody keeps is left out', async () => {
  const fromBlock = base.head();
  for (let id = 1n; id <= 501n; id++) base.locks.locks.push({ id, owner: bob, amount: unit, end: inAYear, fromBlock });
  lock(base, 900n, alice, unit, inAYear);
  expect(await runJob('syncLocks')).toMatchObject({ status: 'succeeded', rows_applied: 1 });
  expect(await q('select unit from platform.quarantine')).toEqual([{ unit: `veAERO:${bob}` }]);
});

test('a lock whose owner cannot be asked for is not burned: it still has its amount', async () => {
  const amounts: Record<string, bigint> = { 17: 5n, 18: 0n };
  const block = { number: 1n, hash: '0x1', time: new Date() };
  const { locks, failures } = await veAeroEscrow.read(
    {
      getHead: async () => block,
      isCanonical: async () => true,
      callAt: async (_, calls) =>
        calls.map(({ functionName, args: [id] = [] }) => {
          if (functionName === 'ownerOf') return { failed: 'out of gas' };
          return { value: functionName === 'locked' ? [amounts[String(id)], 0n, false] : 0n };
        }),
    },
    block,
    [alice],
    ['17', '18'],
  );
  expect(locks).toEqual([{ id: '18', owner: null, amount: 0n, endSeconds: null, votingPower: 0n }]);
  expect(failures).toEqual([{ unit: '17', reason: 'out of gas' }]);
});

test('an account that fails on one chain is still read on the other, and is released when it is read again', async () => {
  const fromBlock = base.head();
  for (let id = 1n; id <= 501n; id++) base.locks.locks.push({ id, owner: bob, amount: unit, end: inAYear, fromBlock });
  lock(ethereum, 1n, bob, unit, inAYear);
  await runJob('syncLocks');
  lock(ethereum, 1n, bob, 2n * unit, inAYear);
  await runJob('syncLocks');
  expect(await locks()).toMatchObject([{ id: bob, amount: '2' }]);
  expect(await q('select unit, attempts from platform.quarantine')).toEqual([{ unit: `veAERO:${bob}`, attempts: 1 }]);
  base.locks.locks = [];
  lock(base, 17n, alice, unit, 2n ** 255n);
  await q('update platform.quarantine set retry_at = now()');
  await runJob('syncLocks');
  expect(await q('select unit from platform.quarantine')).toEqual([{ unit: 'veAERO:17' }]);
  lock(base, 17n, alice, unit, inAYear);
  await runJob('syncLocks');
  expect(await q('select unit from platform.quarantine')).toEqual([]);
});
