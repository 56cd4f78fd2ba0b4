/** The words of these screens, and amounts as people read them. */

import type { Language } from '../../i18n/messages';
import { ownWords } from '../../i18n/own.svelte';
import { date, dayStartMs, MISSING, number } from '../../lib/format';
import type { MarkKind } from '../../parts/Mark.svelte';
import { en, hi } from './words';

export const own = ownWords(en, hi);

export const UNEXPLAINED: ReadonlySet<string> = new Set([
  'billed-otherwise',
  'amount-differs',
  'corrected-after-billing',
]);
const DELIVERIES: Record<string, MarkKind> = {
  held: 'warn',
  waiting: 'unknown',
  acknowledged: 'good',
  refused: 'bad',
  superseded: 'normal',
};
export const deliveryMark = (state: string): MarkKind => DELIVERIES[state] ?? 'unknown';
export const causeMark = (cause: string): MarkKind => (UNEXPLAINED.has(cause) ? 'bad' : 'warn');

/** Rupees out of paise, two decimals. */
export const rupees = (language: Language, paise: number | null | undefined): string =>
  paise === null || paise === undefined ? MISSING : number(language, paise / 100, 2);

/** Kilowatt-hours out of watt-hours. */
export const kwh = (language: Language, wh: number | null | undefined): string =>
  wh === null || wh === undefined ? MISSING : number(language, wh / 1000, 2);

/** A civil day or the span of two. */
export function periodText(language: Language, first: string, last: string): string {
  const day = (each: string): string => date(language, dayStartMs(each));
  return first === last ? day(first) : own.t('periodOf', { first: day(first), last: day(last) });
}

/** The name of a slab, as the server writes it, in the language of the page. */
export function lineName(what: string, name: string): string {
  if (what === 'fixed') return own.t('fixed');
  if (what === 'band') return own.t('band', { name });
  const range = /^(\d+) to (\d+) kWh$/.exec(name);
  if (range) return own.t('slab.range', { from: range[1] ?? '', to: range[2] ?? '' });
  const above = /^above (\d+) kWh$/.exec(name);
  return above ? own.t('slab.above', { from: above[1] ?? '' }) : name;
}

/** Why a row was refused; faults of one field name it as the message does. */
export function whyText(reason: string): string {
  const [, field, fault] = /^(\w+)-(missing|wrong|out-of-range|is-no-\w+|has-no-offset)$/.exec(reason) ?? [];
  return field && fault ? own.filled('field', fault, { field }) : own.word('why', reason);
}
