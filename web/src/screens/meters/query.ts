/** What the list of meters is asked for. It lives in the address, so that a view can be kept, sent and returned to. */
import { query } from '../../lib/api';

export const SORTS = [
  'serial',
  'name',
  'address',
  'transformer',
  'category',
  'state',
  'last_contact',
  'power_w',
  'voltage_v',
  'today_kwh',
  'signal_dbm',
  'success_rate',
  'clock_offset_s',
] as const;
export type Sort = (typeof SORTS)[number];
export const STATES = ['heard', 'late', 'silent'] as const;
export type StateFilter = (typeof STATES)[number] | 'all';

/** Filters that links set, from the service levels for instance; the page shows them while they are set. */
export const LINKED = ['feeder', 'tower', 'maker'] as const;

export interface MeterQuery {
  q: string;
  division: string;
  transformer: string;
  category: string;
  feeder: string;
  tower: string;
  maker: string;
  state: StateFilter;
  sort: Sort;
  direction: 'asc' | 'desc';
}

/** Reads a query from an address; what is not understood falls back to the ordinary view. */
export function fromAddress(search: URLSearchParams): MeterQuery {
  const state = search.get('state');
  const sort = search.get('sort');
  return {
    q: search.get('q') ?? '',
    division: search.get('division') ?? '',
    transformer: search.get('transformer') ?? '',
    category: search.get('category') ?? '',
    feeder: search.get('feeder') ?? '',
    tower: search.get('tower') ?? '',
    maker: search.get('maker') ?? '',
    state: STATES.find((each) => each === state) ?? 'all',
    sort: SORTS.find((each) => each === sort) ?? 'serial',
    direction: search.get('direction') === 'desc' ? 'desc' : 'asc',
  };
}

/** The address of a view; only what differs from the ordinary view stands in it. */
export function toAddress(wanted: MeterQuery): string {
  return `/meters${query({
    ...wanted,
    state: wanted.state === 'all' ? '' : wanted.state,
    sort: wanted.sort === 'serial' ? '' : wanted.sort,
    direction: wanted.direction === 'asc' ? '' : wanted.direction,
  })}`;
}

/** The API's address of one page of the view. */
export function apiAddress(wanted: MeterQuery, offset: number, limit: number): string {
  return `/api/meters${query({ ...wanted, offset, limit })}`;
}

/** The address of the whole view as a CSV file. */
export function sheetAddress(wanted: MeterQuery): string {
  return `/api/meters.csv${query({ ...wanted })}`;
}

/** True when nothing is searched or filtered. */
export function isWhole(wanted: MeterQuery): boolean {
  return (
    wanted.q === '' &&
    wanted.division === '' &&
    wanted.transformer === '' &&
    wanted.category === '' &&
    LINKED.every((name) => wanted[name] === '') &&
    wanted.state === 'all'
  );
}
