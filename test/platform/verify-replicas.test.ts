import type { Context } from 'aws-lambda';
import { afterEach, expect, inject, test } from 'vitest';
import { platform } from '../../functions/platform/domain.ts';
import { jobs } from '../../functions/platform/jobs.ts';
import { problemsOf } from '../../functions/platform/replica-verdict.ts';
import { createVerifyReplicas, handler } from '../../functions/platform/verify-replicas.ts';
import { type Evidence, proofOf } from '../../shared/cache/proof.ts';
import { closePools } from '../../shared/db/pools.ts';
import { type CanaryReport, runCanary } from '../../shared/db/replica-canary.ts';
import { forgetEnv } from '../../shared/env.ts';
import { createEtl } from '../../shared/jobs/etl.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { sqsEvent } from '../support/sqs-event.ts';
import { createTestDomain } from '../support/test-domain.ts';
import { waitFor } from '../support/wait-for.ts';

const { database, runMessage, call, outboxSize } = await createTestDomain('platform', { QUEUES: '{}' });
const inAMinute = () => new Date(Date.now() + 60_000);
const context = { getRemainingTimeInMillis: () => 300_000 } as Context;
const readerOf = ({ reader }: CanaryReport) => {
  if (reader === 'none') throw new Error('the report has no reader');
  return reader;
};
const verifyReplicas = (prove: typeof proofOf) =>
  createVerifyReplicas({ prove, heldRounds: 20, quietRounds: 0 }).run({
    jobId: '',
    token: '',
    params: {},
    requestedBy: 'test',
    deadline: inAMinute(),
    step: async () => {},
  });

/** A reader that takes an empty `xip` to mean that nothing is running. */
const believesEmptyXip: typeof proofOf = (evidence, fences) => {
  const { snapshot } = evidence;
  const isBelieved = evidence.host === 'replica' && snapshot.xip.length === 0;
  return proofOf(isBelieved ? { ...evidence, snapshot: { ...snapshot, xmin: snapshot.xmax } } : evidence, fences);
};

/** A reader that returns the transaction status of another server, where all have committed. */
const believesOtherStatus: typeof proofOf = (evidence, fences) =>
  proofOf(
    evidence.committed ? { ...evidence, committed: new Set(fences.flatMap(({ xids }) => xids)) } : evidence,
    fences,
  );

async function setEnvironment(values: Record<string, string>): Promise<void> {
  Object.assign(process.env, values);
  forgetEnv();
  await closePools();
}

/** The canary's open transactions and remaining rows. */
async function leftBehind(): Promise<{ open: number; rows: number }> {
  const { rows } = await database.pool.query(
    `select (select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
       and xact_start is not null) as open, (select count(*)::int from platform.replica_canary) as rows`,
  );
  return rows[0];
}

afterEach(async () => {
  expect(await leftBehind()).toEqual({ open: 0, rows: 0 });
});

test('over 1,000 commits, no proof of a real standby is false', async () => {
  const report = await handler({}, context);
  const reader = readerOf(report);
  expect(report).toMatchObject({ rounds: { held: 500, quiet: 50 }, commits: 1_100, isComplete: true });
  expect(report.writer).toEqual({
    recovery: { right: 550, wrong: 0 },
    proofs: { writer: { claimed: 550, refused: 0, false: 0 } },
  });
  expect([reader.recovery.wrong, reader.proofs.snapshot?.false, reader.proofs.status?.false]).toEqual([0, 0, 0]);
  // each round in which the reader caught up ends with a status that must be claimed
  expect(reader.proofs.status!.claimed).toBeGreaterThanOrEqual(500 - report.behind);
  expect(report.behind).toBeLessThan(50);
  expect(await outboxSize()).toBe(0);
});

test('without an older transaction, the snapshot proves changes', async () => {
  const snapshot = await waitFor('a time without open transactions', async () => {
    const { proofs } = readerOf(await runCanary({ deadline: inAMinute(), heldRounds: 0, quietRounds: 10 }));
    return proofs.snapshot!.claimed > 0 ? proofs.snapshot : undefined;
  });
  expect(snapshot.false).toBe(0);
});

test('an older transaction is always open, even while the next one replaces it', async () => {
  const seen: Evidence[] = [];
  const withoutOlder: number[] = [];
  const listen: typeof proofOf = (evidence, fences) => {
    const [x] = fences[0]!.xids;
    seen.push(evidence);
    if (evidence.snapshot.xmin >= x!) withoutOlder.push(x!);
    return proofOf(evidence, fences);
  };
  await runCanary({ deadline: inAMinute(), heldRounds: 30, quietRounds: 0, replaceAfterMs: 0, prove: listen });
  expect([seen.length >= 120, withoutOlder]).toEqual([true, []]);
});

test('a reader that trusts an empty xip is reported with the setting to change', async () => {
  const report = await runCanary({ deadline: inAMinute(), heldRounds: 20, quietRounds: 0, prove: believesEmptyXip });
  // at least twice per round while x is open: by the snapshot alone, and in the transaction that requests the status
  expect(readerOf(report).proofs.snapshot!.false).toBeGreaterThanOrEqual(2 * (20 - report.behind));
  expect(report.writer.proofs.writer!.false).toBe(0);
  await expect(verifyReplicas(believesEmptyXip)).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/Set database\.replicaProofs to 'none' in infra\/settings\.ts/),
  });
});

test('a status from another server is reported, and needs only proof 3 turned off', async () => {
  await expect(verifyReplicas(believesOtherStatus)).rejects.toThrow(/Set database\.replicaProofs to 'snapshot'/);
  await setEnvironment({ REPLICA_PROOFS: 'snapshot' });
  await expect(verifyReplicas(believesOtherStatus)).resolves.toMatchObject({ result: { isComplete: true } });
  await expect(verifyReplicas(believesEmptyXip)).rejects.toThrow(/Set database\.replicaProofs to 'none'/);
  await setEnvironment({ REPLICA_PROOFS: 'none' });
  await expect(verifyReplicas(believesEmptyXip)).resolves.toMatchObject({ result: { isComplete: true } });
  await setEnvironment({ REPLICA_PROOFS: 'status' });
});

test('a reader that proves nothing is reported', async () => {
  const provesNothing: typeof proofOf = (evidence, fences) =>
    evidence.host === 'writer' ? proofOf(evidence, fences) : undefined;
  await expect(verifyReplicas(provesNothing)).rejects.toThrow(/proved nothing in 20 rounds.*'none'/);
});

test('a reader or writer that reports the wrong recovery state is a problem', async () => {
  const report = await runCanary({ deadline: inAMinute(), heldRounds: 1, quietRounds: 0 });
  const wrong = { recovery: { right: 0, wrong: 2 } };
  const reader = { ...readerOf(report), ...wrong };
  expect(problemsOf({ ...report, reader }, 'none')).toEqual([expect.stringMatching(/reader said 2 times/)]);
  expect(problemsOf({ ...report, writer: { ...report.writer, ...wrong } }, 'status')).toEqual([
    expect.stringMatching(/writer said 2 times.*DATABASE_WRITER_HOST/),
  ]);
});

test('a reader address that connects to the writer is reported as no reader', async () => {
  const { reader, writer } = inject('services');
  await setEnvironment({ DATABASE_READER_HOST: writer });
  const report = await runCanary({ deadline: inAMinute(), heldRounds: 5, quietRounds: 1 });
  await setEnvironment({ DATABASE_READER_HOST: reader });
  expect(report).toMatchObject({ reader: 'none', behind: 0, writer: { proofs: { writer: { claimed: 6 } } } });
  expect(problemsOf(report, 'status')).toEqual([]);
});

test('a reader that does not catch up in time is behind, which is not an error', async () => {
  const report = await runCanary({ deadline: inAMinute(), heldRounds: 20, quietRounds: 0, catchUpMs: -1 });
  expect([report.isComplete, readerOf(report).proofs.status!.false]).toEqual([true, 0]);
  const allBehind = { ...report, behind: 20, reader: { ...readerOf(report), proofs: {} } };
  expect(problemsOf(allBehind, 'status')).toEqual([expect.stringMatching(/Look into its lag/)]);
});

test.each([1, 2, 3, 5, 8])('a run that fails at check %i leaves no transaction open', async (failing) => {
  let checks = 0;
  const fails: typeof proofOf = () => {
    if (++checks === failing) throw new Error('planted');
    return undefined;
  };
  await expect(verifyReplicas(fails)).rejects.toThrow('planted');
});

test('a run stops at its deadline, and reports itself as incomplete', async () => {
  const deadline = inAMinute();
  const moveDeadline: typeof proofOf = (evidence, fences) => {
    deadline.setTime(Date.now());
    return proofOf(evidence, fences);
  };
  const report = await runCanary({ deadline, prove: moveDeadline });
  expect([report.isComplete, report.rounds]).toEqual([false, { held: 1, quiet: 0 }]);
});

test('a run removes the rows of an earlier one that was killed', async () => {
  await database.pool.query(
    `insert into platform.replica_canary (run, written_at) values (gen_random_uuid(), now() - interval '2 hours')`,
  );
  await runCanary({ deadline: inAMinute(), heldRounds: 1, quietRounds: 0 });
});

test('the operator can start it, and finds the report or the problem in the job', async () => {
  await call('/v1/admin/jobs', { method: 'POST', body: { job: 'platform.verifyReplicas', params: {} } });
  await runMessage({ job: 'platform.verifyReplicas', requestedBy: 'the operator' });
  const ended = async () => (await call('/v1/jobs?job=platform.verifyReplicas&limit=1')).json.jobs[0];
  expect(await ended()).toMatchObject({ status: 'succeeded', result: { commits: 1_100, behind: expect.any(Number) } });
  const planted = createVerifyReplicas({ prove: believesEmptyXip, heldRounds: 5, quietRounds: 0 });
  const unused = async () => 'done' as const;
  const etl = createEtl(
    platform,
    {
      maintainDatabase: handleJob(jobs.maintainDatabase, unused),
      deleteOldRecords: handleJob(jobs.deleteOldRecords, unused),
      verifyReplicas: planted,
    },
    {},
  );
  await etl(sqsEvent({ job: 'platform.verifyReplicas', requestedBy: 'schedule' }), context);
  expect(await ended()).toMatchObject({ status: 'failed', error: { message: expect.stringMatching(/replicaProofs/) } });
});
