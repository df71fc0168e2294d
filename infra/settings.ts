/** What differs between stages: sizes, retention, alarms. No other file knows the stages. */

export interface Settings {
  stage: string;
  database: {
    /** Aurora capacity units. With a minimum of 0 the cluster may pause, and no schedule keeps it awake. */
    minCapacity: number;
    maxCapacity: number;
    /** Readers for the API, besides the one reserved for analytics. */
    apiReaders: number;
    analyticsReader: boolean;
    proxy: boolean;
    /** The proofs that the cache accepts from a reader. The canary after each deployment checks that they hold. */
    replicaProofs: 'status' | 'snapshot' | 'none';
    backupDays: number;
    deletionProtection: boolean;
  };
  cache: { nodeType: string; replicas: number };
  network: { natGateways: number; interfaceEndpoints: boolean };
  api: { requestsPerSecond: number; burst: number };
  /** Queries of the archive in Athena: a query that reads more is stopped, and results are deleted after some days. */
  athena: { scanLimitGb: number; resultDays: number };
  logDays: number;
  /** Where alarms are mailed. */
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
  api: { requestsPerSecond: 50, burst: 100 },
  athena: { scanLimitGb: 1, resultDays: 1 },
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
  api: { requestsPerSecond: 2_000, burst: 4_000 },
  athena: { scanLimitGb: 10, resultDays: 7 },
  logDays: 90,
};

const stages: Record<string, Settings> = { dev, prod };

/** The settings of a stage. @throws Error  there is no such stage; the message lists them */
export function settingsOf(stage: string): Settings {
  const settings = stages[stage];
  if (!settings) throw new Error(`There is no stage ${stage}. Stages: ${Object.keys(stages).join(', ')}.`);
  return settings;
}
