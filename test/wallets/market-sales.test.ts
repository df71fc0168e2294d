import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { createTestDomain, realFile } from '../support/test-domain.ts';

const { call, importFile, runMessage } = await createTestDomain('wallets');
const expected = JSON.parse((await realFile('06-topshot/expected.json'))?.toString() ?? 'null')?.market_sales;
const columns = ['timestamp', 'token_id', 'seller', 'buyer', 'price_usd'];

// the data is not part of the project and has to be next to the checkout
describe.skipIf(!expected)('real sales with a buyer', () => {
  test('leave each moment with the buyer of its last sale, in any order', async () => {
    const rows: Record<string, string>[] = parse(gunzipSync((await realFile('06-topshot/market_sales.csv.gz'))!), {
      columns: true,
    });
    const csv = (all: typeof rows) =>
      [columns.join(), ...all.map((row) => columns.map((column) => row[column]).join())].join('\n');
    for (const [n, all] of [rows.slice(500), rows.slice(0, 500).reverse(), rows].entries())
      expect([n, await importFile('purchases', `${n}.csv`, csv(all))]).toMatchObject([
        n,
        { status: 'succeeded', rows_rejected: 0 },
      ]);
    await runMessage({ job: 'wallets.refreshSnapshots', requestedBy: 'test' });
    const { json } = await call('/v1/leaderboards/wallets?limit=200');
    const held = json.wallets.map(({ address, value }: { address: string; value: string }) => [address, Number(value)]);
    for (const top of expected.last_owner_top10) expect(held).toContainEqual(top);
    expect(held.slice(0, 3)).toEqual(expected.last_owner_top10.slice(0, 3));
  });
});
