/**
 * The live feed: one WebSocket for the whole page, whatever its screens subscribe to.
 *
 * A list of any length has a window: the meters in sight, told together in one frame under the topic `window`.
 * Every topic's frames are numbered. A number that is not the next one means that frames were lost, so the topics are
 * asked for anew and their snapshots come first. A broken connection is made again with growing waits. The machine
 * holds no clock and no socket of its own: both come in, so that a test can play a day of bad network.
 */

export interface Frame {
  seq: number;
  topic: string;
  rows: unknown[];
  /** True on the first frame after subscribing: how things stand, not what has changed. */
  snapshot?: boolean;
}

export type HubState = 'connecting' | 'live' | 'stale';

/** The part of a WebSocket that the hub uses. */
export interface SocketLike {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface HubSurroundings {
  connect(): SocketLike;
  /** Calls once after so many milliseconds; the answer gives it up. */
  after(delayMs: number, act: () => void): () => void;
  /** In [0, 1): spreads reconnections, so that fifty screens do not come back in the same instant. */
  random(): number;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** The topic of the meters in sight. */
export const WINDOW = 'window';
/** The server sends its status at least every few seconds; silence this long means a dead connection. */
export const SILENCE_LIMIT_MS = 20_000;
/** Closed by the server because the session has ended (an application's own code). */
const SESSION_ENDED = 4401;

type Listener = (frame: Frame) => void;

export class Hub {
  readonly #around: HubSurroundings;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #expected = new Map<string, number>();
  #socket: SocketLike | null = null;
  #open = false;
  #tries = 0;
  #wanted = false;
  #giveUpWait: (() => void) | null = null;
  #giveUpSilence: (() => void) | null = null;
  #announcing = false;
  #window: readonly number[] = [];
  #moving = false;
  state: HubState = 'connecting';
  onState: (state: HubState) => void = () => {};
  onFrame: () => void = () => {};
  onSessionEnded: () => void = () => {};
  /** Asked after a failed try, so that the page learns of an ended session. */
  onFailedTry: (tries: number) => void = () => {};

  constructor(around: HubSurroundings) {
    this.#around = around;
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#tries = 0;
    this.#become('connecting');
    this.#connect();
  }

  /** Ends the connection; nothing is sent or tried any more. */
  stop(): void {
    this.#wanted = false;
    this.#giveUpWait?.();
    this.#giveUpSilence?.();
    const socket = this.#socket;
    this.#drop();
    socket?.close();
    this.#become('connecting');
  }

  /** Tries at once, for instance when the device is back on the network. */
  hurry(): void {
    if (!this.#wanted || this.#socket !== null) return;
    this.#giveUpWait?.();
    this.#connect();
  }

  /** Hears a topic until the answer is called. */
  subscribe(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set<Listener>();
    listeners.add(listener);
    this.#listeners.set(topic, listeners);
    this.#announce();
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(topic) !== listeners) return;
      this.#listeners.delete(topic);
      this.#expected.delete(topic);
      this.#announce();
    };
  }

  /** Has these meters in the window from now on; heard under the topic `window`. */
  look(meters: readonly number[]): void {
    this.#window = meters;
    if (!this.#open || this.#moving) return;
    this.#moving = true;
    queueMicrotask(() => {
      this.#moving = false;
      if (this.#open) this.#socket?.send(JSON.stringify({ window: this.#window }));
    });
  }

  #connect(): void {
    const socket = this.#around.connect();
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#open = true;
      this.#expected.clear();
      this.#send();
      this.#watchSilence();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#lost(event.code);
    };
  }

  #receive(data: unknown): void {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data as ArrayBuffer);
    const frame = JSON.parse(text) as Frame;
    this.#tries = 0;
    this.#become('live');
    this.#watchSilence();
    this.onFrame();
    const listeners = this.#listeners.get(frame.topic);
    if (listeners === undefined) return;
    const expected = this.#expected.get(frame.topic);
    if (!frame.snapshot && expected !== undefined && frame.seq !== expected) {
      this.#expected.delete(frame.topic);
      this.#send();
      return;
    }
    this.#expected.set(frame.topic, frame.seq + 1);
    for (const listener of [...listeners]) listener(frame);
  }

  /** Subscriptions made in one go are sent in one message. */
  #announce(): void {
    if (!this.#open || this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      if (this.#open) this.#send();
    });
  }

  #send(): void {
    const subscribe = [...this.#listeners.keys()].filter((topic) => topic !== WINDOW);
    this.#socket?.send(JSON.stringify({ subscribe, window: this.#window }));
  }

  #watchSilence(): void {
    this.#giveUpSilence?.();
    this.#giveUpSilence = this.#around.after(SILENCE_LIMIT_MS, () => {
      const socket = this.#socket;
      this.#lost(0);
      socket?.close();
    });
  }

  #drop(): void {
    const socket = this.#socket;
    if (socket !== null) {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
    }
    this.#socket = null;
    this.#open = false;
  }

  #lost(code: number): void {
    this.#giveUpSilence?.();
    this.#drop();
    if (!this.#wanted) return;
    this.#become('stale');
    if (code === SESSION_ENDED) {
      this.onSessionEnded();
      return;
    }
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries);
    this.#tries += 1;
    this.onFailedTry(this.#tries);
    this.#giveUpWait = this.#around.after(longest * (0.5 + this.#around.random() / 2), () => this.#connect());
  }

  #become(state: HubState): void {
    if (this.state === state) return;
    this.state = state;
    this.onState(state);
  }
}
