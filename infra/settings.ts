/** What differs between stages: sizes, retention, alarms. The only place that knows stages. */

export interface Settings {
  stage: string;
  database: {
    /** Aurora capacity units; 0 at the least lets the cluster pause. */
    minCapacity: number;
    maxCapacity: number;
    /** Readers for the API, beside the one kept apart for analytics. */
    apiReaders: number;
    analyticsReader: boolean;
    proxy: boolean;
    /** What the cache believes a reader for: the canary after each deployment says whether it may. */
    replicaProofs: 'status' | 'snapshot' | 'none';
    backupDays: number;
    deletionProtection: boolean;
  };
  cache: { nodeType: string; replicas: number };
  network: { natGateways: number; interfaceEndpoints: boolean };
  /** Whether jobs that run more often than hourly, and the relay's clock, are scheduled: they keep the database awake. */
  runsEveryMinute: boolean;
  api: { requestsPerSecond: number; burst: number };
  logDays: number;
  /** Where alarms are sent; nobody is told if it is empty. */
  alarmEmail?: string;
}

const dev: Settings = {
  stage: 'dev',
  database: {
    minCapacity: 0,
    maxCapacity: 2,
    apiReaders: 0,
    analyticsReader: false,
    proxy: false,
    replicaProofs: 'status',
    backupDays: 1,
    deletionProtection: false,
  },
  cache: { nodeType: 'cache.t4g.micro', replicas: 0 },
  network: { natGateways: 1, interfaceEndpoints: false },
  runsEveryMinute: false,
  api: { requestsPerSecond: 50, burst: 100 },
  logDays: 7,
};

const prod: Settings = {
  stage: 'prod',
  database: {
    minCapacity: 1,
    maxCapacity: 32,
    apiReaders: 1,
    analyticsReader: true,
    proxy: true,
    replicaProofs: 'status',
    backupDays: 35,
    deletionProtection: true,
  },
  cache: { nodeType: 'cache.r7g.large', replicas: 1 },
  network: { natGateways: 2, interfaceEndpoints: true },
  runsEveryMinute: true,
  api: { requestsPerSecond: 2_000, burst: 4_000 },
  logDays: 90,
};

const stages: Record<string, Settings> = { dev, prod };

/** The settings of a stage. @throws Error  there is no such stage */
export function settingsOf(stage: string): Settings {
  const settings = stages[stage];
  if (!settings) throw new Error(`There is no stage ${stage}; there are ${Object.keys(stages).join(', ')}.`);
  return settings;
}
