import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { InvalidInput, NotFound } from '../../shared/kernel/errors.ts';
import { domains } from '../registry.ts';
import * as contract from './contract.ts';

/**
 * Queues a job of a domain, and gives its id: that of the one under way, if there is one with the same parameters.
 *
 * @throws NotFound      no domain has such a job
 * @throws InvalidInput  the parameters are not the job's
 */
export const startJob = respond(contract.startJob, async ({ body }) => {
  const [domainName, jobName] = body.job.split('.');
  const declared = domains.find(({ name }) => name === domainName)?.jobs.find(({ name }) => name === jobName);
  if (!declared) throw new NotFound(`There is no job ${body.job}.`);
  const params = declared.params.safeParse(body.params);
  if (!params.success) {
    const fields = params.error.issues.map(({ path, message }) => ({
      field: ['body', 'params', ...path].join('.'),
      message,
    }));
    throw new InvalidInput(`The parameters of ${body.job} are not right.`, fields);
  }
  // as they were given: what is left out stays the job's own default
  return { jobId: await enqueueJob(body.job, body.params, 'the operator'), status: 'queued' };
});
