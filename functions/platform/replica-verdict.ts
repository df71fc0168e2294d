import type { Proof } from '../../shared/cache/proof.ts';
import type { CanaryReport, HostCounts, ProofCounts } from '../../shared/db/replica-canary.ts';

/** What the cache believes a reader for: `database.replicaProofs` in infra/settings.ts. */
export type Believed = 'status' | 'snapshot' | 'none';

const proofsBelieved: Record<Believed, readonly Proof[]> = {
  status: ['snapshot', 'status'],
  snapshot: ['snapshot'],
  none: [],
};
const settingWithout = { status: `'snapshot'`, snapshot: `'none'` } as const;
const cannotTell = 'the cache cannot tell a writer from a server that is not one';

/** How many claims of the proofs in use were false. */
export function falseClaims({ writer, reader }: CanaryReport, believed: Believed): number {
  const ofReader = reader === 'none' ? 0 : sum(reader, proofsBelieved[believed], 'false');
  return sum(writer, ['writer'], 'false') + ofReader;
}

/**
 * What is wrong, each with what to do about it; empty if every answer that the cache relies on was right. A proof that
 * the settings leave out may be wrong.
 */
export function problemsOf(report: CanaryReport, believed: Believed): string[] {
  const { writer, reader } = report;
  return [...writerProblems(writer), ...(reader === 'none' ? [] : readerProblems(reader, report, believed))];
}

function writerProblems(writer: HostCounts): string[] {
  const { claimed, refused, false: wrong } = writer.proofs.writer ?? none;
  const problems: string[] = [];
  const check =
    'No setting helps: check that DATABASE_WRITER_HOST leads to the writer of the cluster and nowhere else.';
  if (wrong > 0)
    problems.push(`The writer did not show ${wrong} of ${claimed} changes that it proved to show. ${check}`);
  if (claimed === 0 && refused > 0)
    problems.push(`The writer did not prove a single change of ${refused}. ${check} Every load fails meanwhile.`);
  if (writer.recovery.wrong > 0)
    problems.push(`The writer said ${times(writer.recovery.wrong)} that it is in recovery: ${cannotTell}. ${check}`);
  return problems;
}

function readerProblems(reader: HostCounts, report: CanaryReport, believed: Believed): string[] {
  const problems: string[] = [];
  // without the snapshot nothing of a reader is believed, so that is the only setting to name
  const wrong = (['snapshot', 'status'] as const).find(
    (proof) => proofsBelieved[believed].includes(proof) && sum(reader, [proof], 'false') > 0,
  );
  if (wrong) {
    const { claimed, false: missing } = reader.proofs[wrong]!;
    problems.push(
      `The reader did not show ${missing} of ${claimed} changes that its ${wrong} proved: answers from it may be older than their fences. ${setTo(settingWithout[wrong])}`,
    );
  }
  if (reader.recovery.wrong > 0)
    problems.push(
      `The reader said ${times(reader.recovery.wrong)} that it is not in recovery: ${cannotTell}. No setting helps: run the canary again, as a failover may have come in between; if it says so again, do not use this engine version.`,
    );
  // with the snapshot alone anybody's long transaction refuses everything, which is no fault
  if (believed === 'status' && sum(reader, proofsBelieved.status, 'claimed') === 0) problems.push(uselessness(report));
  return problems;
}

function uselessness({ behind, rounds }: CanaryReport): string {
  const all = rounds.held + rounds.quiet;
  if (all > 0 && behind === all)
    return `The reader did not show a change within its time in any of ${all} rounds, so nothing could be checked. Look into its lag and run the canary again.`;
  return `The reader proved nothing in ${all} rounds, so each load asks it in vain before it asks the writer. ${setTo(`'none'`)}`;
}

function setTo(value: string): string {
  return `Set database.replicaProofs to ${value} in infra/settings.ts and deploy.`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

const none: ProofCounts = { claimed: 0, refused: 0, false: 0 };

function sum({ proofs }: HostCounts, of: readonly Proof[], count: keyof ProofCounts): number {
  return of.reduce((total, proof) => total + (proofs[proof]?.[count] ?? 0), 0);
}
