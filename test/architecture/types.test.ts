/** Code that must not compile. Each `@ts-expect-error` fails the type check if the line below it compiles. */
import { expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import type { operations } from '../../functions/collections/contract.ts';
import { alchemy } from '../../functions/upstreams/alchemy.ts';
import type { datasets } from '../../functions/wallets/datasets.ts';
import type { wallets } from '../../functions/wallets/domain.ts';
import { events } from '../../functions/wallets/events.ts';
import type { jobs } from '../../functions/wallets/jobs.ts';
import type { Endpoints } from '../../shared/http/api.ts';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import type { DatasetHandlers, JobHandlers } from '../../shared/jobs/etl.ts';
import type { handleDataset } from '../../shared/jobs/import.ts';
import type { enqueueJob } from '../../shared/jobs/job.ts';
import type { handleJob, JobHandler } from '../../shared/jobs/run-job.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations, type OperationInput } from '../../shared/kernel/operation.ts';

type Calls<F extends (...given: never[]) => unknown> = Parameters<F>;

test('a misspelled event does not compile', () => {
  defineJobs('wallets', {
    refresh: {
      summary: '',
      lane: 'prompt',
      // @ts-expect-error there is no such event
      on: [events.holdingChanged],
    },
  });
});

test('ttlOnly views and views of an upstream must state their staleness', () => {
  const operation = { method: 'GET', path: '/', summary: '', response: z.unknown() } as const;
  defineOperations({
    // @ts-expect-error `staleness` is missing
    get: { ...operation, cache: { entity: 'things:all', ttl: 60, kind: 'ttlOnly' } },
  });
  defineOperations({
    // @ts-expect-error only views of the database can be fenced
    get: { ...operation, source: alchemy, cache: { entity: 'things:all', ttl: 60 } },
  });
});

test('each operation, job, and dataset accepts only its own handler', () => {
  type Reads = Endpoints<typeof wallets>;
  expectTypeOf<keyof Reads>().toEqualTypeOf<keyof typeof wallets.operations>();
  expectTypeOf<Endpoint<'getEdition'>>().toExtend<Reads['getEdition']>();
  expectTypeOf<Endpoint<'getEdition'>>().not.toExtend<Reads['listEditions']>();
  expectTypeOf<keyof JobHandlers<typeof wallets>>().toEqualTypeOf<keyof typeof wallets.jobs>();
  expectTypeOf<JobHandler<'syncPrices'>>().not.toExtend<JobHandlers<typeof wallets>['syncMoments']>();
  expectTypeOf<keyof DatasetHandlers<typeof wallets>>().toEqualTypeOf<keyof typeof wallets.datasets>();
});

test('handlers get the types that their declarations parse', () => {
  type Path = OperationInput<typeof operations.getNft>['path'];
  expectTypeOf<Path>().toEqualTypeOf<{ address: string; tokenId: string }>();
  type SyncParams = Parameters<Calls<typeof handleJob<typeof jobs.syncHoldings>>[1]>[0]['params'];
  expectTypeOf<SyncParams>().toEqualTypeOf<{ mode: 'full' | 'incremental'; maxRemovedShare: number }>();
  type Row = Parameters<Calls<typeof handleDataset<typeof datasets.sets>>[1]['apply']>[1][number];
  expectTypeOf<Row>().toEqualTypeOf<{ set_id: number; set_name: string }>();
  expectTypeOf<Row>().not.toHaveProperty('set_nmae');
});

test('a job can be queued only with its own parameters', () => {
  type Given = Calls<typeof enqueueJob<typeof jobs.syncHoldings>>[1];
  expectTypeOf<{ mode: 'full' }>().toExtend<Given>();
  expectTypeOf<{ mode: 'half' }>().not.toExtend<Given>();
});
