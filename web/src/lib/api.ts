/** The HTTP API of the control room: its shapes, and one way to call it. Field names and units are the server's. */

export interface Session {
  name: string;
  display_name: string;
  display_name_hi: string;
  roles: string[];
  /** What the roles allow, as the server sees it. */
  permissions: string[];
  language: string;
  csrf_token: string;
}

/** A demo, as its sign-in page tells it; a real utility tells none. */
export interface Demo {
  town: string;
  people: { name: string; password: string; display_name: string; display_name_hi: string; role: string }[];
}

export interface Alarm {
  code: string;
  since: string | null;
  detail: string;
  /** Empty where there is no Hindi for it. */
  detail_hi: string;
}

export interface Status {
  now: string;
  speed: number;
  town: string;
  version: string;
  meters: number;
  meters_heard_today: number;
  readings_today: number;
  contacts_today: number;
  success_rate_today: number | null;
  headends: { id: string; alive: boolean; last_seen: string | null }[];
  alarms: Alarm[];
  lag_s: number | null;
}

export type MeterState = 'heard' | 'late' | 'silent';

export interface LiveRow {
  meter_id: number;
  power_w: number | null;
  voltage_v: number | null;
  last_contact: string | null;
  state: MeterState;
  signal_dbm: number | null;
  today_kwh: number | null;
}

export interface MeterRow extends LiveRow {
  serial: string;
  usage_point: string;
  name: string;
  address: string;
  transformer: string;
  feeder: string;
  division: string;
  category: string;
  maker: string;
  model: string;
  last_outcome: string | null;
  success_rate: number | null;
  clock_offset_s: number | null;
}

export type Facets = Record<'division' | 'transformer' | 'category' | 'state', Record<string, number>>;

export interface MeterPage {
  total: number;
  rows: MeterRow[];
  facets: Facets;
}

export interface Gap {
  start: string;
  end: string;
  slots: number;
}

type Scalar = string | number | boolean | null;

export interface MeterDetail extends MeterRow {
  nameplate: Record<string, Scalar> | null;
  registers: {
    import_kwh: number | null;
    import_kvah: number | null;
    export_kwh: number | null;
    export_kvah: number | null;
    demand_w: number | null;
    demand_time: string | null;
    read_at: string | null;
  };
  relay: { closed: boolean | null; read_at: string | null };
  /** Every value that the meter told, by a name with its unit, and `read_at`; empty before the first read. */
  instantaneous: Record<string, Scalar>;
  gaps: Gap[];
}

export interface Slot {
  start: string;
  import_wh: number | null;
  voltage_v: number | null;
  current_a: number | null;
}

export interface Curve {
  day: string;
  period_s: number;
  slots: Slot[];
  previous_day: Slot[] | null;
  now_w: number | null;
}

export interface DayRegister {
  day: string;
  import_kwh: number | null;
  import_kvah: number | null;
  export_kwh: number | null;
  export_kvah: number | null;
}

export interface MeterEvent {
  at: string;
  code: number;
  log: string;
  name_en: string;
  name_hi: string;
  severity: string;
  received_at: string;
}

export interface Contact {
  at: string;
  purpose: string;
  outcome: string;
  attempt: number;
  latency_ms: number | null;
  clock_offset_s: number | null;
  signal_dbm: number | null;
  octets_received: number;
  rows: number;
  detail: string;
}

export interface Rows<T> {
  total: number;
  rows: T[];
}

export interface Job {
  job_id: string;
  state: 'waiting' | 'running' | 'done' | 'failed';
  progress: number;
  rows: number;
  detail: string;
  kinds?: string[];
  asked_by?: string;
  asked_at?: string;
}

export type Verdict = 'pass' | 'fail' | 'running';

export interface Finding {
  code: string;
  detail_en: string;
  detail_hi: string;
  meter_id?: number | null;
}

export interface TrialGap extends Gap {
  cause: string;
  detail_en: string;
  detail_hi: string;
}

export interface Measures {
  sessions_tried: number;
  sessions_succeeded: number;
  sessions_excused: number;
  success_rate: number | null;
  latency_ms_p50: number | null;
  latency_ms_p90: number | null;
  latency_ms_p99: number | null;
  signal_dbm_median: number | null;
  slots_expected: number;
  slots_held: number;
  values_compared: number;
  values_wrong: number;
  register_days_compared: number;
  register_days_off: number;
}

export interface TrialMeter extends Measures {
  meter_id: number;
  serial: string;
  name: string;
  group: string;
  clock_offset_s: number | null;
  clock_drift_s_per_day: number | null;
  clock_set_times: number;
  gaps: TrialGap[];
  verdict: Verdict;
  findings: Finding[];
}

export interface TrialLimit {
  code: string;
  limit: number;
  unit: string;
  measured: number | null;
  passed: boolean;
}

export interface Trial {
  trial: {
    name: string;
    name_hi: string;
    division: string;
    place: string;
    started: string | null;
    now: string;
    data_from: string;
    data_to: string;
    days: number;
  };
  verdict: Verdict;
  limits: TrialLimit[];
  totals: Measures;
  meters: TrialMeter[];
  findings: Finding[];
}

/** A bar of the service levels: a share of 1 at an hour after midnight, or seconds where `hours` is null. */
export interface Bar {
  code: string;
  hours: number | null;
  limit: number;
  measured: number | null;
  kept: boolean | null;
}

export interface KindLevel {
  kind: string;
  expected_rows: number;
  held_rows: number;
  /** By `cut_off_hours`; null for hours to come. */
  share: (number | null)[];
  whole: (number | null)[];
  bars: Bar[];
}

export interface Answering {
  done: number;
  failed: number;
  bars: Bar[];
}

export type Dimension = 'division' | 'feeder' | 'transformer' | 'make' | 'tower';

export interface GroupLevel {
  code: string;
  name: string;
  name_hi: string;
  meters: number;
  /** At the morning's, the day's and the backfill's bar. */
  'block-load': (number | null)[];
  daily: (number | null)[];
}

export type FaultScope = 'utility' | 'meter' | Exclude<Dimension, 'division'>;

export interface Fault {
  rank: number;
  scope: FaultScope;
  name: string;
  meter_id: number | null;
  cause: string;
  lost_h: number;
  meters: number;
  start: string | null;
  end: string | null;
  outcome: string | null;
  detail_en: string;
  detail_hi: string;
}

export interface ServiceLevels {
  day: string;
  default_day: string;
  latest_day: string;
  made_at: string;
  final: boolean;
  meters: number;
  cut_off_hours: number[];
  kinds: KindLevel[];
  on_demand: Answering;
  alarms: Answering;
  groups: Record<Dimension, GroupLevel[]>;
  contacts_from: string;
  contacts_to: string;
  faults: Fault[];
  causes: { cause: string; faults: number }[];
}

/** A finding of validation. `measured` null: a ratio to zero. Slots of `period_s`, the end excluded. */
export interface ExceptionRow {
  exception_id: number;
  day: string;
  meter_id: number;
  serial: string;
  usage_point: string;
  name: string;
  rule: string;
  rule_version: number;
  severity: string;
  period_s: number;
  first_slot: number;
  end_slot: number;
  measured: number | null;
  held_against: number | null;
  found_at: string | null;
  state: string;
  resolution: string | null;
  reason: string | null;
  resolved_by: string | null;
  resolved_at: string | null;
}

export interface ExceptionPage extends Rows<ExceptionRow> {
  by_rule: Record<string, number>;
}

/** What went wrong with a call: a code of the server, or `offline` and `bad-answer` of this side. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;

  constructor(status: number, code: string, detail: string) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

/** What went wrong in a call, whatever was thrown. */
export function apiError(cause: unknown): ApiError {
  return cause instanceof ApiError ? cause : new ApiError(0, 'bad-answer', String(cause));
}

/** A call that never ends would leave a screen loading for ever. */
const TIME_LIMIT_MS = 30_000;

let csrfToken = '';
let whenSignedOut: () => void = () => {};

/** What to do when the server says that the session has ended. */
export function onSignedOut(act: () => void): void {
  whenSignedOut = act;
}

/** Keeps the token that unsafe calls carry. */
export function keepCsrfToken(token: string): void {
  csrfToken = token;
}

/** The token of the cookie when the browser shows it, else the one of the session. */
function currentToken(): string {
  const cookie = document.cookie.split('; ').find((part) => part.startsWith('csrftoken='));
  return cookie === undefined ? csrfToken : decodeURIComponent(cookie.slice('csrftoken='.length));
}

async function readError(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as { error?: string; detail?: string };
    return new ApiError(response.status, body.error ?? `http-${response.status}`, body.detail ?? '');
  } catch {
    return new ApiError(response.status, `http-${response.status}`, '');
  }
}

async function send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrftoken'] = currentToken();
  const limit = AbortSignal.timeout(TIME_LIMIT_MS);
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, 'offline', '');
  }
}

/** Calls the API. Raises ApiError; a call given up by its caller raises the browser's AbortError. */
export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal);
  if (!response.ok) {
    const error = await readError(response);
    if (error.status === 401 && path !== '/api/session') whenSignedOut();
    throw error;
  }
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    if (method === 'DELETE' || method === 'PUT') return undefined as T;
    throw new ApiError(response.status, 'bad-answer', '');
  }
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>('GET', path, undefined, signal);
export const post = <T>(path: string, body: unknown): Promise<T> => call<T>('POST', path, body);

/** A query string of what is set; empty values are left out. */
export function query(values: Record<string, string | number | null | undefined>): string {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') set.set(name, String(value));
  }
  const text = set.toString();
  return text === '' ? '' : `?${text}`;
}
