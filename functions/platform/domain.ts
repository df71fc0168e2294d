/** The declaration of the platform: what all domains share, and the operator's tools. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { events } from './events.ts';
import { functions } from './functions.ts';
import { jobs } from './jobs.ts';
import { tables } from './tables.ts';

export const platform = {
  name: 'platform',
  summary: "Jobs, imports, API documentation, and the operator's view of events, queues, and the cache.",
  entities: {
    '*': 'Everything in the cache.',
    jobs: 'One run of a job. Events name it, but no view is cached under it.',
  },
  operations,
  events,
  jobs,
  datasets: {},
  tables,
  api: {
    grants: ['operateQueues', 'startJobs'],
    files: {
      'node_modules/swagger-ui-dist/swagger-ui.css': 'swagger-ui.css',
      'node_modules/swagger-ui-dist/swagger-ui-bundle.js': 'swagger-ui-bundle.js',
    },
  },
  functions,
} satisfies Domain;
