/** Which of the own connections is looked at, and how it stands now; asked for again while a page is in sight. */
import { get, query } from '../../lib/api';
import { civilDay, instantMs } from '../../lib/format';
import { Loaded } from '../../lib/loaded.svelte';
import type { OwnNow, OwnPoints } from './shapes';

const STORED = 'bijlighar.connection';
const RENEW_EVERY_MS = 15_000;

class Own {
  readonly points = new Loaded<OwnPoints>();
  readonly now = new Loaded<OwnNow>();
  /** Code of the connection; empty: the first. */
  chosen = $state('');
  /** Counts up with each renewal, so that what is shown beside follows. */
  renewed = $state(0);

  /** The utility's clock when it was asked last, epoch milliseconds. */
  get clockMs(): number {
    return instantMs(this.now.value?.now ?? this.points.value?.now) ?? Date.now();
  }

  get today(): string {
    return civilDay(this.clockMs);
  }

  /** Begins when a consumer has signed in; returns what ends it. */
  start(): () => void {
    void this.#open();
    const timer = setInterval(() => {
      if (!document.hidden) void this.renew();
    }, RENEW_EVERY_MS);
    return () => {
      clearInterval(timer);
      this.points.clear();
      this.now.clear();
      this.chosen = '';
    };
  }

  choose(code: string): void {
    this.chosen = code;
    sessionStorage.setItem(STORED, code);
    this.now.clear();
    void this.renew();
  }

  async renew(): Promise<void> {
    if (this.points.value === null) await this.#open();
    else if (this.points.value.points.length > 0) {
      await this.now.run((signal) => get<OwnNow>(this.at('now'), signal));
      this.renewed++;
    }
  }

  /** An address of the consumer's part of the API for the chosen connection. */
  at(part: string, more: Record<string, string> = {}): string {
    return `/api/my/${part}${query({ point: this.chosen, ...more })}`;
  }

  async #open(): Promise<void> {
    await this.points.run((signal) => get<OwnPoints>('/api/my', signal));
    const codes = this.points.value?.points.map((point) => point.usage_point) ?? [];
    const before = sessionStorage.getItem(STORED) ?? '';
    this.chosen = codes.includes(before) ? before : (codes[0] ?? '');
    if (codes.length > 0) await this.now.run((signal) => get<OwnNow>(this.at('now'), signal));
  }
}

export const own = new Own();
