/** A job, as `GET /v1/jobs/{id}` returns it. */
export interface Job {
  status: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  progress: {
    read: number;
    applied: number;
    unchanged: number;
    rejected: number;
    total: number | null;
    percent: number | null;
    step: string | null;
  };
  createdAt: string;
  startedAt: string | null;
  error: { code: string; message: string } | null;
  rejectedRows: string | null;
}

const pollMs = 150;

/** Follows a job to its end, calling `onProgress` on each look. Waits for a job that does not exist yet. */
export async function followJob(url: string, jobId: string, onProgress: (job: Job) => void): Promise<Job> {
  for (;;) {
    const response = await fetch(`${url}/v1/jobs/${jobId}`);
    if (response.status !== 404 && !response.ok)
      throw new Error(`The job ${jobId} cannot be followed: ${response.status} ${await response.text()}`);
    if (response.ok) {
      const job = (await response.json()) as Job;
      onProgress(job);
      if (job.status !== 'queued' && job.status !== 'running') return job;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
