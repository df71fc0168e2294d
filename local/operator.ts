/** Calls to the running API as its operator. */

export interface Operated {
  url: string;
  adminToken: string;
}

/** Starts a job by its name (`wallets.syncHoldings`); returns its id. @throws Error  the API refused it */
export function startJob(api: Operated, job: string): Promise<string> {
  return postForJob(api, '/v1/admin/jobs', { job });
}

/** Posts to a path that queues a job; returns the job's id. @throws Error  the API refused it */
export async function postForJob({ url, adminToken }: Operated, path: string, body?: object): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const reply = (await response.json()) as { jobId?: string; detail?: string };
  if (!reply.jobId) throw new Error(`POST ${path} was refused: ${reply.detail ?? response.status}`);
  return reply.jobId;
}
