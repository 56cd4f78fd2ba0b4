/** The rows of a long list: only the pages that are looked at are fetched and kept. */
import { type ApiError, apiError, get, type Rows } from './api';

const PAGE_ROWS = 100;
/** About twenty screens; older pages are fetched again when they are scrolled to. */
const MOST_PAGES = 40;

export class PagedRows<T, P extends Rows<T> = Rows<T>> {
  /** The newest page that came: its totals hold for the whole list. */
  page = $state.raw<P | null>(null);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);
  #version = $state(0);
  #addressOf: ((offset: number, limit: number) => string) | null = null;
  #pages = new Map<number, T[]>();
  #stale = true;
  #running = new Map<number, AbortController>();

  /** Turns to another view. What is shown stays until the new view's first page is there. */
  turnTo(addressOf: (offset: number, limit: number) => string): void {
    this.close();
    this.#addressOf = addressOf;
    this.#stale = true;
    this.error = null;
    void this.#fetch(0);
  }

  /** Fetches all anew that is looked at. */
  renew(): void {
    if (this.#addressOf !== null) this.turnTo(this.#addressOf);
  }

  /** Sees to it that the rows `[first, end)` are there. */
  want(first: number, end: number): void {
    if (this.#stale) return;
    const lastPage = Math.floor(Math.max(first, end - 1) / PAGE_ROWS);
    for (let page = Math.floor(Math.max(0, first) / PAGE_ROWS); page <= lastPage; page++) {
      if (!this.#pages.has(page) && !this.#running.has(page)) void this.#fetch(page);
    }
  }

  /** The row at a place; undefined while it is on its way. */
  row(index: number): T | undefined {
    void this.#version;
    return this.#pages.get(Math.floor(index / PAGE_ROWS))?.[index % PAGE_ROWS];
  }

  close(): void {
    for (const running of this.#running.values()) running.abort();
    this.#running.clear();
    this.loading = false;
  }

  async #fetch(page: number): Promise<void> {
    const addressOf = this.#addressOf;
    if (addressOf === null) return;
    const mine = new AbortController();
    this.#running.set(page, mine);
    this.loading = true;
    try {
      const answer = await get<P>(addressOf(page * PAGE_ROWS, PAGE_ROWS), mine.signal);
      if (mine.signal.aborted) return;
      if (this.#stale) this.#pages.clear();
      this.#stale = false;
      this.#pages.delete(page);
      this.#pages.set(page, answer.rows);
      for (const oldest of this.#pages.keys()) {
        if (this.#pages.size <= MOST_PAGES) break;
        this.#pages.delete(oldest);
      }
      this.page = answer;
      this.error = null;
      this.#version++;
    } catch (cause) {
      if (mine.signal.aborted) return;
      this.error = apiError(cause);
    } finally {
      if (this.#running.get(page) === mine) this.#running.delete(page);
      this.loading = this.#running.size > 0;
    }
  }
}
