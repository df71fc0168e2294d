import { expect, test } from 'vitest';
import { createPortfolio } from '../support/portfolio.ts';

const { q, runJob, addWallet, call } = await createPortfolio();
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;
const tracked = async () =>
  (await q('select portfolio.wallet_name(address) as name from portfolio.wallets where is_tracked order by 1')).map(
    ({ name }) => name,
  );

test('wallets are tracked from now on, known or not, and may be left alone again', async () => {
  await addWallet(addressOf(1), false);
  const path = `/v1/portfolios/${addressOf(1)}`;
  expect((await call(path)).json.isTracked).toBe(false);
  const wallets = [addressOf(1), addressOf(2).toUpperCase().replace('0X', '0x')];
  expect(await runJob('trackWallets', { wallets })).toMatchObject({ status: 'succeeded', rows_applied: 2 });
  expect(await tracked()).toEqual([addressOf(1), addressOf(2)]);
  expect((await call(path)).json.isTracked).toBe(true);
  expect(await runJob('trackWallets', { wallets })).toMatchObject({ rows_applied: 0, rows_unchanged: 2 });
  await runJob('trackWallets', { wallets: [addressOf(1)], isTracked: false });
  expect(await tracked()).toEqual([addressOf(2)]);
});

test('the longest list that is allowed fits a job', async () => {
  const wallets = Array.from({ length: 40 }, (_, i) => addressOf(2 ** 40 + i));
  expect(await runJob('trackWallets', { wallets, isTracked: false })).toMatchObject({ status: 'succeeded' });
  expect(await runJob('trackWallets', { wallets: [...wallets, addressOf(3)] })).toMatchObject({
    status: 'failed',
    error: { code: 'invalid_input' },
  });
});
