/** What the page needs to say of service levels beyond their figures. Pure. */
import { type Fault, type KindLevel, query } from '../../lib/api';
import type { MarkKind } from '../../parts/Mark.svelte';

export const BACKFILL_HOURS = 72;
/** Codes of the bars of completeness, in the order in which they fall due. */
export const BARS = ['morning', 'day', 'backfill', 'second'] as const;
export type BarCode = (typeof BARS)[number];

/** Where the axis of a picture of shares begins: low enough for the lowest bar, high enough to tell 95 from 99. */
export function axisFloor(shares: readonly (number | null)[]): number {
  const least = Math.min(1, ...shares.filter((share) => share !== null));
  if (least >= 0.9) return 0.9;
  if (least >= 0.75) return 0.75;
  return least >= 0.5 ? 0.5 : 0;
}

export const barMark = (kept: boolean | null): MarkKind => (kept === null ? 'unknown' : kept ? 'good' : 'bad');

/** The bar that a cut-off is held against: the last one that has fallen due by then. */
export function barAt(kind: KindLevel, hours: number): number | null {
  const due = kind.bars.filter((bar) => bar.code !== 'second' && bar.hours !== null && bar.hours <= hours);
  return due.length === 0 ? null : Math.max(...due.map((bar) => bar.limit));
}

/** The view of the list of meters that a fault concerns; null where it is everything. */
export function addressOf(fault: Pick<Fault, 'scope' | 'name' | 'meter_id'>): string | null {
  if (fault.scope === 'utility') return null;
  if (fault.scope === 'meter') return fault.meter_id === null ? null : `/meters/${fault.meter_id}`;
  return `/meters${query({ [fault.scope === 'make' ? 'maker' : fault.scope]: fault.name })}`;
}

/** 08:00 for 8. */
export const clockOf = (hours: number): string => `${String(hours).padStart(2, '0')}:00`;
