/** `npm run bench -- NAME…`: runs benchmarks one after another. */
const benches: Record<string, () => Promise<void>> = {
  cache: async () => (await import('./cache.ts')).benchCache(),
  bundles: async () => (await import('./bundles.ts')).benchBundles(),
  fence: async () => (await import('./fence.ts')).benchFence(),
  sync: async () => (await import('./sync.ts')).benchSync(),
  lanes: async () => (await import('./lanes.ts')).benchLanes(),
  soak: async () => (await import('./soak.ts')).benchSoak(),
  'snapshots-10m': async () => (await import('./rounds.ts')).benchTenMillion(),
  reads: async () => (await import('./reads.ts')).benchReads(),
  timeseries: async () => (await import('./timeseries.ts')).benchTimeseries(),
  portfolio: async () => (await import('./portfolio.ts')).benchPortfolio(),
  archive: async () => (await import('./archive.ts')).benchArchive(),
  snapshots: async () => (await import('./snapshots.ts')).benchSnapshots(),
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !benches[name]);
if (names.length === 0 || unknown !== undefined) {
  console.error(
    `${unknown ? `Unknown benchmark: ${unknown}.` : 'Usage: npm run bench -- NAME…'} Benchmarks: ${Object.keys(benches).join(', ')}.`,
  );
  process.exit(1);
}
for (const name of names) await benches[name]!();
process.exit(0);
