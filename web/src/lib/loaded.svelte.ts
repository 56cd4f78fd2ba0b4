/** Something fetched: what is held, whether it is being fetched, and what went wrong the last time. */
import { type ApiError, apiError } from './api';

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);
  #running: AbortController | null = null;

  /** Fetches; an earlier fetch still under way is given up. What is held stays until the new value is there. */
  async run(fetcher: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#running?.abort();
    const mine = new AbortController();
    this.#running = mine;
    this.loading = true;
    try {
      const value = await fetcher(mine.signal);
      if (mine.signal.aborted) return;
      this.value = value;
      this.error = null;
    } catch (cause) {
      if (mine.signal.aborted) return;
      this.error = apiError(cause);
    } finally {
      if (this.#running === mine) this.loading = false;
    }
  }

  /** Forgets what is held, for instance when the page turns to another meter. */
  clear(): void {
    this.#running?.abort();
    this.#running = null;
    this.value = null;
    this.error = null;
    this.loading = false;
  }
}
