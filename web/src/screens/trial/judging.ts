/** What the pages need to say of a scorecard beyond its figures. Pure. */
import type { Finding, Gap, Trial, TrialLimit, TrialMeter } from '../../lib/api';
import { civilDay, dayStartMs, shiftDay } from '../../lib/format';

/** Limits that must be reached; every other one must not be passed. */
const AT_LEAST = new Set(['minimum_days', 'success_rate_all', 'success_rate_per_meter', 'slots_held']);

export const isAtLeast = (code: string): boolean => AT_LEAST.has(code);

export type LimitState = 'kept' | 'notKept' | 'notYet' | 'notMeasured';

/** A limit without a measurement is neither kept nor broken, and a trial that still runs is not too short. */
export function limitState(limit: TrialLimit): LimitState {
  if (limit.measured === null) return 'notMeasured';
  if (limit.passed) return 'kept';
  return limit.code === 'minimum_days' ? 'notYet' : 'notKept';
}

/** Names of the figures of one meter that break a limit of the trial. */
export function brokenFigures(meter: TrialMeter, limits: readonly TrialLimit[]): ReadonlySet<string> {
  const allowed = new Map(limits.map((limit) => [limit.code, limit.limit]));
  const held = meter.slots_expected > 0 ? meter.slots_held / meter.slots_expected : null;
  const figures: [name: string, code: string, value: number | null][] = [
    ['success_rate', 'success_rate_per_meter', meter.success_rate],
    ['slots_held', 'slots_held', held],
    ['latency_ms_p90', 'latency_p90', meter.latency_ms_p90],
    ['clock_offset_s', 'clock_offset', meter.clock_offset_s],
    ['clock_drift_s_per_day', 'clock_drift', meter.clock_drift_s_per_day],
    ['values_wrong', 'wrong_values', meter.values_wrong],
    ['register_days_off', 'register_days_off', meter.register_days_off],
  ];
  const broken = new Set<string>();
  for (const [name, code, value] of figures) {
    const limit = allowed.get(code);
    if (limit === undefined || value === null) continue;
    if (isAtLeast(code) ? value < limit : Math.abs(value) > limit) broken.add(name);
  }
  return broken;
}

/** What is no meter's fault stands last: it is told, but it does not fail the trial. */
const ORDER = [
  'never-heard',
  'wrong-values',
  'register-sum',
  'bad-meter',
  'drifting-clock',
  'wrong-clock',
  'gaps',
  'slow',
  'tower-outage',
];

export interface FindingGroup {
  code: string;
  findings: Finding[];
}

/** Findings of one kind together, the gravest kind first. */
export function groupedFindings(findings: readonly Finding[]): FindingGroup[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.code);
    if (group === undefined) groups.set(finding.code, [finding]);
    else group.push(finding);
  }
  const rank = (code: string): number => (ORDER.includes(code) ? ORDER.indexOf(code) : ORDER.length);
  return [...groups]
    .map(([code, each]) => ({ code, findings: each }))
    .sort((a, b) => rank(a.code) - rank(b.code) || a.code.localeCompare(b.code));
}

/** The civil days that a trial's data lie in. */
export function trialDays(trial: Trial['trial']): string[] {
  const last = civilDay(Date.parse(trial.data_to) - 1);
  const days: string[] = [];
  for (let day = civilDay(Date.parse(trial.data_from)); day <= last; day = shiftDay(day, 1)) days.push(day);
  return days;
}

export interface Mark {
  /** Place of the day, counted from the first. */
  day: number;
  /** Minutes of the day. */
  from: number;
  to: number;
}

const DAY_MIN = 1440;

/** A span of time as marks in columns of days; one that crosses midnight gives a mark in each day. */
export function marksOf(span: Pick<Gap, 'start' | 'end'>, firstDay: string, days: number): Mark[] {
  const origin = dayStartMs(firstDay);
  const start = Math.max(0, (Date.parse(span.start) - origin) / 60_000);
  const end = Math.min(days * DAY_MIN, (Date.parse(span.end) - origin) / 60_000);
  const marks: Mark[] = [];
  for (let at = start; at < end; ) {
    const day = Math.floor(at / DAY_MIN);
    const to = Math.min(end, (day + 1) * DAY_MIN);
    marks.push({ day, from: at - day * DAY_MIN, to: to - day * DAY_MIN });
    at = to;
  }
  return marks;
}
