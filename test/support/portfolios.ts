/** Rows of the portfolio domain for tests, written the way its users would: by imports. */
import type { createTestDomain } from './test-domain.ts';

type TestDomain = Awaited<ReturnType<typeof createTestDomain>>;

export const wallet = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;

export const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

/** Imports rows given as lists of values. */
export function portfolioImports({ importFile }: TestDomain) {
  let files = 0;
  const importRows = async (dataset: string, header: string, rows: readonly (readonly unknown[])[]) => {
    const job = await importFile(dataset, `${++files}.csv`, [header, ...rows.map((row) => row.join(','))].join('\n'));
    if (job.status !== 'succeeded') throw new Error(job.error?.message ?? job.status);
    return job;
  };
  return {
    /** Of symbols without a chain. */
    importPrices: (...rows: [symbol: string, at: string, price: number | string][]) =>
      importRows('prices', 'symbol,recorded_at,price', rows),
    importBalances: (...rows: [wallet: string, symbol: string, at: string, balance: number | string][]) =>
      importRows('balances', 'wallet,symbol,as_of,balance', rows),
    importLocks: (...rows: [wallet: string, id: string, at: string, amount: string, end: number, power?: string][]) =>
      importRows(
        'locks',
        'owner,lock_id,as_of,amount,lock_end,voting_power,protocol,chain',
        rows.map(([owner, id, at, amount, end, power = '']) => [owner, id, at, amount, end, power, 'veTEST', 'base']),
      ),
  };
}
