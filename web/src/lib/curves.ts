/** From slots of a day to what is drawn and said of them. Pure. */
import type { DayRegister, Slot } from './api';
import { dayStartMs, shiftDay } from './format';

export interface DrawnSlot {
  startMs: number;
  endMs: number;
  /** Minutes since the day began; the axis of the curves, so that two days lie over one another. */
  minute: number;
  /** Mean power in kW; null where the slot is not held. */
  power_kw: number | null;
  voltage_v: number | null;
  current_a: number | null;
  import_wh: number | null;
  /** Over for so long, or before the last contact, that it ought to be held. */
  due: boolean;
  /** Over, but not read yet: the meter has not been heard since. */
  awaited: boolean;
}

const DAY_S = 86_400;

/** As long as the list calls a meter heard: a slot may wait so long for the next contact before it is missing. */
const AWAITED_MS = 3_600_000;

/** True when something that ended then may still come with the next contact. */
export function isAwaited(endMs: number, lastContactMs: number, nowMs: number): boolean {
  return endMs > lastContactMs && nowMs - endMs < AWAITED_MS;
}

/**
 * All slots of a day. The server tells those that have ended; the others are not due yet. `lastContactMs` is when the
 * meter was heard last.
 */
export function drawnSlots(
  day: string,
  slots: readonly Slot[],
  periodS: number,
  lastContactMs = Number.POSITIVE_INFINITY,
  nowMs = Number.POSITIVE_INFINITY,
): DrawnSlot[] {
  const dayMs = dayStartMs(day);
  const told = new Map(slots.map((slot) => [Date.parse(slot.start), slot]));
  return Array.from({ length: Math.floor(DAY_S / periodS) }, (_, index) => {
    const startMs = dayMs + index * periodS * 1000;
    const slot = told.get(startMs);
    const energy = slot?.import_wh ?? null;
    const endMs = startMs + periodS * 1000;
    const awaited = slot !== undefined && energy === null && isAwaited(endMs, lastContactMs, nowMs);
    return {
      startMs,
      endMs,
      minute: (index * periodS) / 60,
      power_kw: energy === null ? null : (energy * 3.6) / periodS,
      voltage_v: slot?.voltage_v ?? null,
      current_a: slot?.current_a ?? null,
      import_wh: energy,
      due: slot !== undefined && !awaited,
      awaited,
    };
  });
}

export interface Missing {
  from: number;
  to: number;
}

/** Runs of due slots that are not held, in minutes of the day. */
export function missingRuns(slots: readonly DrawnSlot[], periodS: number): Missing[] {
  const runs: Missing[] = [];
  for (const slot of slots) {
    if (!slot.due || slot.import_wh !== null) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.to === slot.minute) last.to = slot.minute + periodS / 60;
    else runs.push({ from: slot.minute, to: slot.minute + periodS / 60 });
  }
  return runs;
}

export interface DaySummary {
  peak: DrawnSlot | null;
  low: DrawnSlot | null;
  high: DrawnSlot | null;
  energy_wh: number;
  due: number;
  missing: number;
}

/** What is said of a day in one sentence. */
export function daySummary(slots: readonly DrawnSlot[]): DaySummary {
  const summary: DaySummary = { peak: null, low: null, high: null, energy_wh: 0, due: 0, missing: 0 };
  for (const slot of slots) {
    if (slot.due) summary.due++;
    if (slot.due && slot.import_wh === null) summary.missing++;
    summary.energy_wh += slot.import_wh ?? 0;
    if (slot.power_kw !== null && slot.power_kw > (summary.peak?.power_kw ?? -1)) summary.peak = slot;
    if (slot.voltage_v === null) continue;
    if (summary.low === null || slot.voltage_v < (summary.low.voltage_v ?? 0)) summary.low = slot;
    if (summary.high === null || slot.voltage_v > (summary.high.voltage_v ?? 0)) summary.high = slot;
  }
  return summary;
}

export interface DayUse {
  day: string;
  use_kwh: number | null;
  register_kwh: number | null;
}

/**
 * The use of each day in `[firstDay, endDay)` from midnight registers: a day's own midnight opens it, the next one
 * closes it. Null where one of the two is not held.
 */
export function dailyUse(rows: readonly DayRegister[], firstDay: string, endDay: string): DayUse[] {
  const registers = new Map(rows.map((row) => [row.day, row.import_kwh]));
  const days: DayUse[] = [];
  for (let day = firstDay; day < endDay; day = shiftDay(day, 1)) {
    const opens = registers.get(day) ?? null;
    const closes = registers.get(shiftDay(day, 1)) ?? null;
    days.push({ day, use_kwh: opens === null || closes === null ? null : closes - opens, register_kwh: opens });
  }
  return days;
}

/** Round steps of an axis from zero to at least `most`, at most `count` of them. */
export function axisSteps(most: number, count: number): number[] {
  if (!(most > 0)) return [0, 1];
  const raw = most / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((each) => each * power >= raw) ?? 10) * power;
  const steps: number[] = [];
  for (let index = 0; ; index++) {
    const value = Number((index * step).toPrecision(12));
    steps.push(value);
    if (value >= most) return steps;
  }
}
