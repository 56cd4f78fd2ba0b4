/** A job of the head-end, followed from asking to its end. */
import { type ApiError, apiError, get, type Job, post } from './api';

const ASK_EVERY_MS = 700;

export class FollowedJob {
  job = $state.raw<Job | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  #followed = 0;

  /** Asks for the job and follows it; the answer is its end, or null when it could not be followed. */
  async start(path: string, body: unknown): Promise<Job | null> {
    const mine = ++this.#followed;
    this.busy = true;
    this.error = null;
    this.job = null;
    try {
      const { job_id } = await post<{ job_id: string }>(path, body);
      return await this.#follow(job_id, mine);
    } catch (cause) {
      this.error = apiError(cause);
      return null;
    } finally {
      if (mine === this.#followed) this.busy = false;
    }
  }

  /** Looks away: the job goes on, the page no longer asks. */
  leave(): void {
    this.#followed++;
  }

  async #follow(jobId: string, mine: number): Promise<Job | null> {
    while (mine === this.#followed) {
      const job = await get<Job>(`/api/jobs/${jobId}`);
      if (mine !== this.#followed) return null;
      this.job = job;
      if (job.state === 'done' || job.state === 'failed') return job;
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    return null;
  }
}
