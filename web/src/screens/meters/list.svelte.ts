/** The rows of a view of up to 300,000 meters: only the pages that are looked at are fetched and kept. */
import { SvelteMap } from 'svelte/reactivity';
import {
  type ApiError,
  apiError,
  type Facets,
  get,
  type LiveRow,
  type MeterPage,
  type MeterRow,
} from '../../lib/api';
import { apiAddress, type MeterQuery } from './query';

export const PAGE_ROWS = 100;
/** About twenty screens; older pages are fetched again when they are scrolled to. */
const MOST_PAGES = 40;

export class MeterList {
  total = $state<number | null>(null);
  facets = $state.raw<Facets | null>(null);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);
  readonly #live = new SvelteMap<number, LiveRow>();
  #version = $state(0);
  #query: MeterQuery | null = null;
  #pages = new Map<number, MeterRow[]>();
  #stale = true;
  #running = new Map<number, AbortController>();

  /** Turns to another view. What is shown stays until the new view's first page is there. */
  turnTo(query: MeterQuery): void {
    this.#query = query;
    this.#stale = true;
    this.#giveUpRunning();
  }

  /** Sees to it that the rows `[first, end)` are there. */
  want(first: number, end: number): void {
    if (this.#query === null) return;
    const firstPage = Math.floor(Math.max(0, first) / PAGE_ROWS);
    const lastPage = Math.floor(Math.max(first, end - 1) / PAGE_ROWS);
    for (const [page, running] of this.#running) {
      if (page < firstPage || page > lastPage) {
        running.abort();
        this.#running.delete(page);
      }
    }
    for (let page = firstPage; page <= lastPage; page++) {
      if ((this.#stale || !this.#pages.has(page)) && !this.#running.has(page)) void this.#fetch(page);
    }
  }

  /** Fetches the pages in sight anew: order and counts follow the meters. */
  async renew(first: number, end: number): Promise<void> {
    if (this.#query === null || this.#running.size > 0) return;
    const firstPage = Math.floor(first / PAGE_ROWS);
    const lastPage = Math.floor(Math.max(first, end - 1) / PAGE_ROWS);
    for (let page = firstPage; page <= lastPage; page++) await this.#fetch(page);
  }

  /** The row at a place, with the newest live values; undefined while it is on its way. */
  row(index: number): MeterRow | undefined {
    void this.#version;
    const row = this.#pages.get(Math.floor(index / PAGE_ROWS))?.[index % PAGE_ROWS];
    if (row === undefined) return undefined;
    const live = this.#live.get(row.meter_id);
    return live === undefined ? row : { ...row, ...live };
  }

  /** Takes rows of the live feed. */
  takeLive(rows: readonly LiveRow[]): void {
    for (const row of rows) this.#live.set(row.meter_id, row);
  }

  /** Forgets live values of meters that are no longer followed. */
  forgetLive(kept: ReadonlySet<number>): void {
    for (const meterId of this.#live.keys()) if (!kept.has(meterId)) this.#live.delete(meterId);
  }

  close(): void {
    this.#giveUpRunning();
  }

  #giveUpRunning(): void {
    for (const running of this.#running.values()) running.abort();
    this.#running.clear();
    this.loading = false;
  }

  async #fetch(page: number): Promise<void> {
    const query = this.#query;
    if (query === null) return;
    const mine = new AbortController();
    this.#running.set(page, mine);
    this.loading = true;
    try {
      const answer = await get<MeterPage>(apiAddress(query, page * PAGE_ROWS, PAGE_ROWS), mine.signal);
      if (mine.signal.aborted || query !== this.#query) return;
      this.#take(page, answer);
    } catch (cause) {
      if (mine.signal.aborted || query !== this.#query) return;
      this.error = apiError(cause);
    } finally {
      if (this.#running.get(page) === mine) this.#running.delete(page);
      this.loading = this.#running.size > 0;
    }
  }

  #take(page: number, answer: MeterPage): void {
    if (this.#stale) {
      this.#pages.clear();
      this.#stale = false;
    }
    this.#pages.delete(page);
    this.#pages.set(page, answer.rows);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= MOST_PAGES) break;
      this.#pages.delete(oldest);
    }
    this.total = answer.total;
    this.facets = answer.facets;
    this.error = null;
    this.#version++;
  }
}
