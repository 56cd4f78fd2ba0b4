/** The words of a meter's data, and the shapes of its API. */
import { ownWords } from '../../../i18n/own.svelte';
import type { MarkKind } from '../../../parts/Mark.svelte';
import { en, hi } from './words';

export const own = ownWords(en, hi);

/** One thing that was said about a slot; `value` null: withdrawn. */
export interface Version {
  source: string;
  value: number | null;
  quality: string;
  rule: string | null;
  rule_version: number | null;
  came_at: string | null;
  made_by: string;
  reason: string;
}

export interface DataSlot {
  start: string;
  value: number | null;
  source: string;
  quality: string | null;
  rule: string | null;
  rule_version: number | null;
  since: string | null;
  billed: boolean;
  locked: boolean;
  versions: Version[];
}

export interface MeterData {
  meter_id: number;
  day: string;
  channel: string;
  channels: string[];
  unit: string;
  sealed: boolean;
  period_s: number;
  at: string;
  bills: { reference: string; first_day: string; last_day: string; billed_at: string }[];
  slots: DataSlot[];
}

const MARKS: Record<string, MarkKind> = { reading: 'normal', estimate: 'unknown', edit: 'warn', nothing: 'bad' };
export const sourceMark = (source: string): MarkKind => MARKS[source] ?? 'unknown';
