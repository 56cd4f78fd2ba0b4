/** What the consumer's part of the API tells. Field names and units are the server's. */
import type { MeterState } from '../../lib/api';

export interface OwnPoint {
  usage_point: string;
  name: string;
  address: string;
}

export interface OwnPoints {
  now: string;
  speed: number;
  points: OwnPoint[];
}

export interface OwnNow {
  now: string;
  speed: number;
  point: OwnPoint;
  serial: string | null;
  state: MeterState | null;
  last_contact: string | null;
  read_at: string | null;
  now_w: number | null;
  voltage_v: number | null;
  today_kwh: number | null;
  relay_closed: boolean | null;
  outage: { extent: 'meter' | 'transformer' | 'feeder'; since: string; meters: number } | null;
}

export interface OwnSlot {
  start: string;
  import_wh: number | null;
  export_wh: number | null;
}

export interface OwnDay {
  day: string;
  period_s: number;
  import_kwh: number | null;
  missing: number;
  slots: OwnSlot[];
}

export interface TwoDays {
  day: OwnDay;
  before: OwnDay;
}

export interface BillLine {
  what: 'energy' | 'band' | 'fixed';
  name: string;
  quantity: number;
  rate: number;
  amount_paise: number;
}

export interface OwnBill {
  tariff: string;
  tariff_hi: string;
  valid_from: string;
  source: string;
  amount_paise: number;
  lines: BillLine[];
  /** Null once the month is over. */
  next_unit: {
    from_kwh: number;
    to_kwh: number | null;
    left_kwh: number | null;
    paise_per_kwh: number;
  } | null;
  projected_kwh: number | null;
  projected_paise: number | null;
}

export interface OwnMonth {
  month: string;
  running: boolean;
  first_day: string;
  last_day: string;
  days: { day: string; import_kwh: number | null; export_kwh: number | null }[];
  import_kwh: number | null;
  export_kwh: number | null;
  opened_at: string | null;
  closed_at: string | null;
  whole: boolean;
  bill: OwnBill | null;
}

export interface OwnAccount {
  dues: { amount_paise: number; due_day: string | null; as_of: string; reference: string } | null;
  balance_paise: number | null;
  payments: { amount_paise: number; paid_at: string }[];
}

export interface Look {
  at: string;
  who: string;
  who_hi: string;
  roles: string[];
  why: string;
}

export interface Looks {
  rows: Look[];
  more: boolean;
}
