import { beforeEach, describe, expect, it } from 'vitest';
import { type Frame, Hub, type HubState, SILENCE_LIMIT_MS, type SocketLike } from '../src/lib/hub';

class FakeSocket implements SocketLike {
  binaryType = '';
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: string[][] = [];
  closed = false;

  send(text: string): void {
    this.sent.push((JSON.parse(text) as { subscribe: string[] }).subscribe);
  }

  close(): void {
    this.closed = true;
  }

  frame(frame: Partial<Frame>): void {
    this.onmessage?.({ data: new TextEncoder().encode(JSON.stringify({ rows: [], ...frame })).buffer });
  }
}

let sockets: FakeSocket[];
let waits: { delayMs: number; act: () => void; given: boolean }[];
let states: HubState[];
let hub: Hub;

function newest(): FakeSocket {
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error('no connection was tried');
  return socket;
}

/** Lets the newest wait of that length pass. */
function pass(wanted: (delayMs: number) => boolean): number {
  const wait = waits.findLast((each) => !each.given && wanted(each.delayMs));
  if (wait === undefined) throw new Error('nothing waits');
  wait.given = true;
  wait.act();
  return wait.delayMs;
}

const reconnect = (): number => pass((delayMs) => delayMs !== SILENCE_LIMIT_MS);

beforeEach(() => {
  sockets = [];
  waits = [];
  states = [];
  hub = new Hub({
    connect: () => {
      sockets.push(new FakeSocket());
      return newest();
    },
    after: (delayMs, act) => {
      const wait = { delayMs, act, given: false };
      waits.push(wait);
      return () => {
        wait.given = true;
      };
    },
    random: () => 1,
  });
  hub.onState = (state) => states.push(state);
});

describe('the hub', () => {
  it('makes one connection and subscribes in one message', async () => {
    hub.subscribe('status', () => {});
    hub.start();
    hub.start();
    newest().onopen?.();
    hub.subscribe('meter:1', () => {});
    hub.subscribe('meter:2', () => {});
    await Promise.resolve();
    expect(sockets).toHaveLength(1);
    expect(newest().sent).toEqual([['status'], ['status', 'meter:1', 'meter:2']]);
  });

  it('reads binary frames and hands them to those who hear the topic', () => {
    const heard: unknown[] = [];
    hub.subscribe('status', (frame) => heard.push(...frame.rows));
    hub.start();
    newest().onopen?.();
    newest().frame({ seq: 7, topic: 'status', snapshot: true, rows: ['snapshot'] });
    newest().frame({ seq: 8, topic: 'status', rows: ['change'] });
    newest().frame({ seq: 3, topic: 'trial', rows: ['not asked for'] });
    expect(heard).toEqual(['snapshot', 'change']);
    expect(states).toEqual(['live']);
  });

  it('asks anew when a number is missing, and goes on from the snapshot', () => {
    const heard: unknown[] = [];
    hub.subscribe('status', (frame) => heard.push(...frame.rows));
    hub.start();
    newest().onopen?.();
    newest().frame({ seq: 1, topic: 'status', snapshot: true, rows: ['a'] });
    newest().frame({ seq: 3, topic: 'status', rows: ['lost its forerunner'] });
    expect(newest().sent).toEqual([['status'], ['status']]);
    newest().frame({ seq: 3, topic: 'status', snapshot: true, rows: ['b'] });
    newest().frame({ seq: 4, topic: 'status', rows: ['c'] });
    expect(heard).toEqual(['a', 'b', 'c']);
  });

  it('takes the snapshot that another subscription brings, whatever its number', () => {
    const heard: unknown[] = [];
    hub.subscribe('status', (frame) => heard.push(...frame.rows));
    hub.start();
    newest().onopen?.();
    newest().frame({ seq: 1, topic: 'status', snapshot: true, rows: ['a'] });
    newest().frame({ seq: 1, topic: 'status', snapshot: true, rows: ['again'] });
    newest().frame({ seq: 2, topic: 'status', rows: ['b'] });
    expect(heard).toEqual(['a', 'again', 'b']);
    expect(newest().sent).toHaveLength(1);
  });

  it('waits longer after each failed try, up to half a minute, and begins anew once it is heard', () => {
    hub.start();
    const delays: number[] = [];
    for (let tries = 0; tries < 9; tries++) {
      newest().onclose?.({ code: 1006 });
      delays.push(reconnect());
    }
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    newest().onopen?.();
    newest().frame({ seq: 1, topic: 'status' });
    newest().onclose?.({ code: 1006 });
    expect(reconnect()).toBe(500);
    expect(states).toEqual(['stale', 'live', 'stale']);
  });

  it('subscribes again after a reconnection', () => {
    hub.subscribe('trial', () => {});
    hub.start();
    newest().onopen?.();
    newest().onclose?.({ code: 1001 });
    reconnect();
    newest().onopen?.();
    expect(newest().sent).toEqual([['trial']]);
    expect(sockets).toHaveLength(2);
  });

  it('takes long silence for a dead connection', () => {
    hub.start();
    const first = newest();
    first.onopen?.();
    pass((delayMs) => delayMs === SILENCE_LIMIT_MS);
    expect(first.closed).toBe(true);
    expect(states).toEqual(['stale']);
    reconnect();
    expect(sockets).toHaveLength(2);
  });

  it('tells that the session has ended and does not try again', () => {
    let ended = 0;
    hub.onSessionEnded = () => {
      ended += 1;
    };
    hub.start();
    newest().onclose?.({ code: 4401 });
    expect(ended).toBe(1);
    expect(waits.filter((wait) => !wait.given)).toEqual([]);
  });

  it('tries at once when the network is back', () => {
    hub.start();
    newest().onclose?.({ code: 1006 });
    hub.hurry();
    expect(sockets).toHaveLength(2);
    expect(waits.filter((wait) => !wait.given)).toEqual([]);
    hub.hurry();
    expect(sockets).toHaveLength(2);
  });

  it('is quiet after it was stopped', () => {
    hub.subscribe('status', () => {});
    hub.start();
    const socket = newest();
    socket.onopen?.();
    hub.stop();
    expect(socket.closed).toBe(true);
    expect(socket.onclose).toBeNull();
    expect(waits.filter((wait) => !wait.given)).toEqual([]);
  });

  it('drops a topic when nobody hears it any more', async () => {
    const stopFirst = hub.subscribe('meter:1', () => {});
    const stopSecond = hub.subscribe('meter:1', () => {});
    hub.start();
    newest().onopen?.();
    stopFirst();
    await Promise.resolve();
    expect(newest().sent).toEqual([['meter:1']]);
    stopSecond();
    await Promise.resolve();
    expect(newest().sent).toEqual([['meter:1'], []]);
  });
});
