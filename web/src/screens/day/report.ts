/** The shapes of `/api/day`, and the addresses of the page. Energies in kWh, shares of 1, null where not known. */
import { query } from '../../lib/api';

export const SCOPES = ['utility', 'division', 'substation', 'feeder', 'transformer', 'make'] as const;
export type Scope = (typeof SCOPES)[number];
export const PERIODS = ['day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];
/** What the utility is taken apart into. */
export const PARTS: readonly Scope[] = ['division', 'substation', 'feeder', 'transformer', 'make'];

export interface Place {
  scope: Scope;
  code: string;
  name: string;
  name_hi: string;
}

export interface Voltage {
  slots: number;
  low_share: number | null;
  high_share: number | null;
  outside_share: number | null;
  least_v: number | null;
  most_v: number | null;
}

export interface Loss {
  places_told: number;
  supplied_kwh: number;
  lost_kwh: number;
  share: number | null;
  hours_told: number;
}

export interface Figures {
  meters: number;
  consumers: number;
  slots_expected: number;
  slots_held: number;
  completeness: number | null;
  whole_share: number | null;
  import_kwh: number;
  export_kwh: number;
  estimated_kwh: number;
  estimated_share: number | null;
  peak_kw: number | null;
  peak_at: string | null;
  coincidence: number | null;
  load_factor: number | null;
  voltage: Voltage;
  lines: Loss | null;
  feeders: Loss | null;
  transformers: number;
  interruptions: { count: number; consumers: number; minutes_each: number | null };
  contacts: { tried: number; succeeded: number; success_rate: number | null };
  events: { kind: string; severity: string; count: number }[];
}

export interface CurvePoint {
  power_kw: number | null;
  known: number | null;
}

export interface Report {
  day: string;
  default_day: string;
  latest_day: string;
  period: Period;
  first_day: string;
  last_day: string;
  days: number;
  days_told: string[];
  over: boolean;
  made_at: string | null;
  scope: Scope;
  code: string;
  path: Place[];
  total: Figures | null;
  before: Figures | null;
  curve: CurvePoint[] | null;
  curve_before: CurvePoint[] | null;
  by_day: { day: string; import_kwh: number; completeness: number | null; peak_kw: number | null }[];
  part: Scope | null;
  parts_total: number;
  parts: (Place & Figures)[];
  worst_voltage: (Place & Voltage)[];
  worst_losses: (Place & Loss)[];
  exceptions: Record<'open' | 'resolved' | 'gone', number>;
  statements: Record<string, number> | null;
  voltage_limits: { low_v: number; high_v: number };
}

export interface Asked {
  day: string;
  period: Period;
  place: Scope;
  code: string;
  by: Scope | '';
}

/** Reads an address; what is not understood falls back to the utility's yesterday. */
export function fromAddress(search: URLSearchParams): Asked {
  const place = SCOPES.find((each) => each === search.get('place')) ?? 'utility';
  return {
    day: search.get('day') ?? '',
    period: PERIODS.find((each) => each === search.get('period')) ?? 'day',
    place,
    code: search.get('code') ?? '',
    by: place === 'utility' ? (PARTS.find((each) => each === search.get('by')) ?? '') : '',
  };
}

function asQuery(asked: Asked): string {
  return query({
    ...asked,
    period: asked.period === 'day' ? '' : asked.period,
    place: asked.place === 'utility' ? '' : asked.place,
  });
}

export const toAddress = (asked: Asked): string => `/day${asQuery(asked)}`;
export const apiAddress = (asked: Asked, ending = ''): string => `/api/day${ending}${asQuery(asked)}`;

/** The list of the meters of a place; null where the list cannot be narrowed to it. */
export function metersOf(place: Pick<Place, 'scope' | 'code'>): string | null {
  if (place.scope === 'utility') return '/meters';
  if (place.scope === 'substation' || place.code === '') return null;
  return `/meters${query({ [place.scope === 'make' ? 'maker' : place.scope]: place.code })}`;
}

/** Energy in the unit in which it is read at a glance. */
export function inMega(kwh: number): boolean {
  return Math.abs(kwh) >= 100_000;
}
