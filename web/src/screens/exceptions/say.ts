/** The words of this screen, and findings of rules as sentences. */

import type { Language } from '../../i18n/messages';
import { ownWords } from '../../i18n/own.svelte';
import type { ExceptionRow } from '../../lib/api';
import { clock, dayStartMs, number, percent } from '../../lib/format';
import type { MarkKind } from '../../parts/Mark.svelte';
import { en, hi } from './words';

export const own = ownWords(en, hi);

export const SEVERITIES = ['hint', 'warning', 'failure'] as const;
const MARKS: Record<string, MarkKind> = { hint: 'unknown', warning: 'warn', failure: 'bad' };
export const severityMark = (severity: string): MarkKind => MARKS[severity] ?? 'unknown';

type Figure = (language: Language, value: number) => string;

const wh: Figure = (language, value) => own.t('unit.wh', { value: number(language, value) });
const kwh: Figure = (language, value) => own.t('unit.kwh', { value: number(language, value / 1000, 2) });
const vah: Figure = (language, value) => own.t('unit.vah', { value: number(language, value) });
const share: Figure = (language, value) =>
  percent(language, Math.min(value, 1), 0).replace(/^[\d,.]+/, number(language, value * 100));
const slots: Figure = (language, value) => own.tn('unit.slots', value, { value: number(language, value) });
const hours: Figure = (language, value) => own.t('unit.hours', { value: number(language, value) });
const days: Figure = (language, value) => own.t('unit.days', { value: number(language, value) });
const minutes: Figure = (language, value) => own.t('unit.minutes', { value: number(language, value / 60) });
const seconds: Figure = (language, value) => own.t('unit.seconds', { value: number(language, value) });
const amperes: Figure = (language, value) => own.t('unit.a', { value: number(language, value / 1000, 2) });
const thousandths: Figure = (language, value) => number(language, value / 1000, 3);
const plain: Figure = (language, value) => number(language, value, Number.isInteger(value) ? 0 : 2);

/** In which unit each rule tells its two figures (mdm/validation). */
const FIGURES: Record<string, Figure> = {
  'consecutive-interval': share,
  duplicate: slots,
  'dynamic-comparison': vah,
  'sibling-exists': slots,
  'final-replacement': wh,
  'high-low': kwh,
  inactive: wh,
  'interval-size': minutes,
  spike: share,
  negative: wh,
  'prolonged-estimation': days,
  'missing-quantity': slots,
  'sum-check': kwh,
  zero: hours,
  'high-limit': wh,
  'roll-back': kwh,
  'power-factor': thousandths,
  'meter-clock': seconds,
  'neutral-current': amperes,
};
export const RULES = Object.keys(en)
  .filter((key) => key.startsWith('name.'))
  .map((key) => key.slice('name.'.length));

/** Rules whose second figure says nothing to people: every finding is one too many. */
const ONLY_MEASURED = new Set(['duplicate', 'sibling-exists', 'negative', 'missing-quantity', 'meter-identity']);

function figure(language: Language, rule: string, value: number | null): string {
  return value === null ? own.t('endless') : (FIGURES[rule] ?? plain)(language, value);
}

/** What was measured, with its unit. A server's null is a ratio to zero. */
export const measuredText = (language: Language, row: ExceptionRow): string =>
  row.rule === 'meter-identity' ? own.word('found', row.rule) : figure(language, row.rule, row.measured);

/** What it was held against; null where that says nothing. */
export const limitText = (language: Language, row: ExceptionRow): string | null =>
  ONLY_MEASURED.has(row.rule) ? null : figure(language, row.rule, row.held_against);

/** The finding in one sentence. */
export function foundText(language: Language, row: ExceptionRow): string {
  const { rule, measured, held_against: limit } = row;
  const filling = {
    measured: figure(
      language,
      rule,
      rule === 'sum-check' || rule === 'meter-clock' ? absolute(measured) : measured,
    ),
    limit: figure(language, rule, limit),
  };
  const above = rule === 'sum-check' ? (measured ?? 0) >= 0 : (measured ?? 0) > (limit ?? 0);
  const key = rule === 'sum-check' || rule === 'high-low' ? `${rule}.${above ? 'high' : 'low'}` : rule;
  return own.filled('found', measured === null && rule === 'spike' ? 'spike.endless' : key, filling);
}

const absolute = (value: number | null): number | null => (value === null ? null : Math.abs(value));

/** The slots of a finding on the clock: 02:00–03:00. */
export function slotsText(language: Language, row: ExceptionRow): string {
  if (row.first_slot === 0 && row.end_slot * row.period_s >= 86_400) return own.t('wholeDay');
  const at = (slot: number): string => clock(language, dayStartMs(row.day) + slot * row.period_s * 1000);
  const end = row.end_slot * row.period_s >= 86_400 ? '24:00' : at(row.end_slot);
  return own.t('slots', { from: at(row.first_slot), to: end });
}
