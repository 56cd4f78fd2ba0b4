/** The page's one connection to the live feed, and the status that every screen shows. */
import { get, type Status } from './api';
import { instantMs } from './format';
import { type Frame, Hub, type HubState, type SocketLike } from './hub';
import { session } from './session.svelte';

/** While the live feed is interrupted the status is still asked for, so that alarms are not missed. */
const STATUS_EVERY_MS = 10_000;
const TICK_MS = 1_000;

function address(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live`;
}

/**
 * Of fewer contacts no share is told: failures are known at once, and a success after the visit, so that the first
 * figure of a day or of a start would say 0 %.
 */
const LEAST_CONTACTS = 20;

/** Share of today's contacts that succeeded; null while there are too few. */
export function successToday(status: Status | null): number | null {
  return status === null || status.contacts_today < LEAST_CONTACTS ? null : status.success_rate_today;
}

class Live {
  state = $state<HubState>('connecting');
  status = $state.raw<Status | null>(null);
  /** The town's clock, epoch milliseconds, moved on every second; null before the first status. */
  now = $state<number | null>(null);
  /** Wall-clock seconds since anything was heard from the server; null before the first time. */
  age_s = $state<number | null>(null);
  #anchorMs = 0;
  #anchorWallMs = 0;
  #heardWallMs: number | null = null;
  #stops: (() => void)[] = [];
  readonly #hub = new Hub({
    connect: () => new WebSocket(address()) as unknown as SocketLike,
    after: (delayMs, act) => {
      const timer = setTimeout(act, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
  });

  constructor() {
    this.#hub.onState = (state) => {
      this.state = state;
    };
    this.#hub.onFrame = () => this.#heard();
    this.#hub.onSessionEnded = () => session.ended();
    this.#hub.onFailedTry = (tries) => {
      if (tries % 3 === 1) void this.#askStatus();
    };
  }

  /** Begins when a person has signed in. */
  start(): void {
    void this.#askStatus();
    this.#hub.start();
    const unsubscribe = this.#hub.subscribe('status', (frame) => this.#takeFrame(frame));
    const ticking = setInterval(() => this.#tick(), TICK_MS);
    const asking = setInterval(() => {
      if (this.state !== 'live') void this.#askStatus();
    }, STATUS_EVERY_MS);
    const hurry = () => this.#hub.hurry();
    addEventListener('online', hurry);
    this.#stops = [
      unsubscribe,
      () => clearInterval(ticking),
      () => clearInterval(asking),
      () => removeEventListener('online', hurry),
    ];
  }

  /** Ends when the person signs out. */
  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.#hub.stop();
    this.status = null;
    this.now = null;
    this.age_s = null;
    this.#heardWallMs = null;
  }

  subscribe(topic: string, listener: (frame: Frame) => void): () => void {
    return this.#hub.subscribe(topic, listener);
  }

  /** Has these meters in the window, heard under the topic `window`. */
  look(meters: readonly number[]): void {
    this.#hub.look(meters);
  }

  async #askStatus(): Promise<void> {
    try {
      this.#take(await get<Status>('/api/status'));
      this.#heard();
    } catch {
      // the age of the data goes on growing, which is what the operator must see
    }
  }

  #takeFrame(frame: Frame): void {
    const status = frame.rows.at(-1) as Status | undefined;
    if (status !== undefined) this.#take(status);
  }

  #take(status: Status): void {
    this.status = status;
    this.#anchorMs = instantMs(status.now) ?? Date.now();
    this.#anchorWallMs = performance.now();
    this.#tick();
  }

  #heard(): void {
    this.#heardWallMs = performance.now();
    this.age_s = 0;
  }

  #tick(): void {
    const wall = performance.now();
    if (this.status !== null) this.now = this.#anchorMs + (wall - this.#anchorWallMs) * this.status.speed;
    if (this.#heardWallMs !== null) this.age_s = (wall - this.#heardWallMs) / 1000;
  }
}

export const live = new Live();
