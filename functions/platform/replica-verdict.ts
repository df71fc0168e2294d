import type { Proof } from '../../shared/cache/proof.ts';
import type { CanaryReport, HostCounts, ProofCounts } from '../../shared/db/replica-canary.ts';

/** The proofs of a reader that the cache trusts: `database.replicaProofs` in infra/settings.ts. */
export type TrustSetting = 'status' | 'snapshot' | 'none';

const trustedProofs: Record<TrustSetting, readonly Proof[]> = {
  status: ['snapshot', 'status'],
  snapshot: ['snapshot'],
  none: [],
};
const fallbackSetting = { status: `'snapshot'`, snapshot: `'none'` } as const;
const cannotTell = 'the cache cannot tell the writer from other servers';

/** The number of false claims of the trusted proofs. */
export function falseClaims({ writer, reader }: CanaryReport, setting: TrustSetting): number {
  const ofReader = reader === 'none' ? 0 : sum(reader, trustedProofs[setting], 'false');
  return sum(writer, ['writer'], 'false') + ofReader;
}

/**
 * The problems found, each with what to do about it. Empty if every claim that the cache relies on was true. Proofs that
 * the setting excludes are not problems.
 */
export function problemsOf(report: CanaryReport, setting: TrustSetting): string[] {
  const { writer, reader } = report;
  return [...writerProblems(writer), ...(reader === 'none' ? [] : readerProblems(reader, report, setting))];
}

function writerProblems(writer: HostCounts): string[] {
  const { claimed, refused, false: wrong } = writer.proofs.writer ?? none;
  const problems: string[] = [];
  const check = 'No setting can fix this. Check that DATABASE_WRITER_HOST resolves only to the writer of the cluster.';
  if (wrong > 0)
    problems.push(`The writer did not show ${wrong} of ${claimed} changes that it proved to show. ${check}`);
  if (claimed === 0 && refused > 0)
    problems.push(`The writer could not prove any of ${refused} changes, so every load fails. ${check}`);
  if (writer.recovery.wrong > 0)
    problems.push(`The writer said ${times(writer.recovery.wrong)} that it is in recovery, so ${cannotTell}. ${check}`);
  return problems;
}

function readerProblems(reader: HostCounts, report: CanaryReport, setting: TrustSetting): string[] {
  const problems: string[] = [];
  // without the snapshot, no proof of a reader is trusted, so its fallback covers both
  const wrong = (['snapshot', 'status'] as const).find(
    (proof) => trustedProofs[setting].includes(proof) && sum(reader, [proof], 'false') > 0,
  );
  if (wrong) {
    const { claimed, false: missing } = reader.proofs[wrong]!;
    problems.push(
      `The reader did not show ${missing} of ${claimed} changes that its ${wrong} proved, so its responses may lack announced changes. ${suggestSetting(fallbackSetting[wrong])}`,
    );
  }
  if (reader.recovery.wrong > 0)
    problems.push(
      `The reader said ${times(reader.recovery.wrong)} that it is not in recovery, so ${cannotTell}. Run the canary again, because a failover may have happened during the run. If it fails again, no setting can fix this: do not use this engine version.`,
    );
  // with the snapshot alone, one long transaction makes every proof fail, which is not a fault
  if (setting === 'status' && sum(reader, trustedProofs.status, 'claimed') === 0)
    problems.push(noProofsProblem(report));
  return problems;
}

function noProofsProblem({ behind, rounds }: CanaryReport): string {
  const all = rounds.held + rounds.quiet;
  if (all > 0 && behind === all)
    return `The reader did not show a change in time in any of ${all} rounds, so nothing could be checked. Look into its lag, then run the canary again.`;
  return `The reader proved nothing in ${all} rounds, so each load tries it for nothing before the writer. ${suggestSetting(`'none'`)}`;
}

function suggestSetting(value: string): string {
  return `Set database.replicaProofs to ${value} in infra/settings.ts and deploy.`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

const none: ProofCounts = { claimed: 0, refused: 0, false: 0 };

function sum({ proofs }: HostCounts, of: readonly Proof[], count: keyof ProofCounts): number {
  return of.reduce((total, proof) => total + (proofs[proof]?.[count] ?? 0), 0);
}
