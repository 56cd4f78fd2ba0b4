/** What the queue is asked for. It lives in the address. */
import { query } from '../../lib/api';

export const STATES = ['open', 'resolved', 'gone', 'all'] as const;
export type StateFilter = (typeof STATES)[number];
export const LEAST = ['0', '1', '2'] as const;
export type Least = (typeof LEAST)[number];

export interface QueueQuery {
  state: StateFilter;
  severity: Least;
  rule: string;
  meter: string;
  first_day: string;
  last_day: string;
}

const day = (text: string | null): string => (text !== null && /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : '');

/** Reads a query from an address; what is not understood falls back to the ordinary view. */
export function fromAddress(search: URLSearchParams): QueueQuery {
  const state = search.get('state');
  const severity = search.get('severity');
  const meter = search.get('meter') ?? '';
  return {
    state: STATES.find((each) => each === state) ?? 'open',
    severity: LEAST.find((each) => each === severity) ?? '0',
    rule: search.get('rule') ?? '',
    meter: /^\d{1,9}$/.test(meter) ? meter : '',
    first_day: day(search.get('from')),
    last_day: day(search.get('to')),
  };
}

/** The address of a view; only what differs from the ordinary view stands in it. */
export function toAddress(wanted: QueueQuery): string {
  return `/exceptions${query({
    state: wanted.state === 'open' ? '' : wanted.state,
    severity: wanted.severity === '0' ? '' : wanted.severity,
    rule: wanted.rule,
    meter: wanted.meter,
    from: wanted.first_day,
    to: wanted.last_day,
  })}`;
}

/** The API's address of one page of the view. */
export function apiAddress(wanted: QueueQuery, offset: number, limit: number): string {
  return `/api/exceptions${query({ ...wanted, offset, limit })}`;
}

/** Something is chosen besides the state: the server decides no whole queue at once. */
export function isNarrowed(wanted: QueueQuery): boolean {
  return (
    wanted.severity !== '0' ||
    wanted.rule !== '' ||
    wanted.meter !== '' ||
    wanted.first_day !== '' ||
    wanted.last_day !== ''
  );
}

/** The view as the body of a decision. */
export function asChoice(wanted: QueueQuery): Record<string, string | number> {
  return {
    rule: wanted.rule,
    meter_id: Number(wanted.meter || 0),
    severity: Number(wanted.severity),
    first_day: wanted.first_day,
    last_day: wanted.last_day,
  };
}
