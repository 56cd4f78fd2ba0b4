/** Figures of the scorecard with their units, in the language of the page. */
import { locale } from '../../i18n/index.svelte';
import { isKey, type MessageKey, message } from '../../i18n/messages';
import type { Finding, TrialGap } from '../../lib/api';
import { number, percent } from '../../lib/format';

/** A measured or allowed value of a limit. */
export function limitValue(value: number, unit: string): string {
  const language = locale.language;
  if (unit === 'share') return percent(language, value);
  const decimals = Number.isInteger(value) ? 0 : 1;
  const text = number(language, value, decimals);
  const key = `trial.unit.${unit}`;
  return isKey(key) ? message(language, key as MessageKey, { value: text }) : text;
}

/** The sentence of a finding or of a gap's cause in the page's language. */
export function detailOf(told: Pick<Finding | TrialGap, 'detail_en' | 'detail_hi'>): string {
  return locale.language === 'hi' ? told.detail_hi || told.detail_en : told.detail_en;
}

/** 1,640 / 1,680: in a column of figures the same in both languages. */
export function share(part: number, whole: number): string {
  return `${number(locale.language, part)} / ${number(locale.language, whole)}`;
}
