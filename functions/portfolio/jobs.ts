/** The jobs of the portfolio domain. */
import { defineJobs } from '../../shared/kernel/job.ts';

export const jobs = defineJobs('portfolio', {});
