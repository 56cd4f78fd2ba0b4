/** Figures of the scorecard with their units, in the language of the page. */
import { locale } from '../../i18n/index.svelte';
import { isKey, type MessageKey, message } from '../../i18n/messages';
import type { Finding, TrialGap, TrialLimit } from '../../lib/api';
import { number, percent } from '../../lib/format';

/** A measured or allowed value of a limit. */
export function limitValue(value: number, unit: string, decimals = 1): string {
  const language = locale.language;
  if (unit === 'share') return percent(language, value, decimals);
  const whole = Number.isInteger(value) || (unit === 'ms' && decimals === 1);
  const text = number(language, value, whole ? 0 : decimals);
  const key = `trial.unit.${unit}`;
  return isKey(key) ? message(language, key as MessageKey, { value: text }) : text;
}

/** What was measured, with more decimals where fewer would look like the limit that it breaks. */
export function measuredValue(limit: TrialLimit): string {
  if (limit.measured === null) return '';
  const text = limitValue(limit.measured, limit.unit);
  const looksKept = !limit.passed && text === limitValue(limit.limit, limit.unit);
  return looksKept ? limitValue(limit.measured, limit.unit, 3) : text;
}

/** The sentence of a finding or of a gap's cause in the page's language. */
export function detailOf(told: Pick<Finding | TrialGap, 'detail_en' | 'detail_hi'>): string {
  return locale.language === 'hi' ? told.detail_hi || told.detail_en : told.detail_en;
}

/** 1,640 / 1,680: in a column of figures the same in both languages. */
export function share(part: number, whole: number): string {
  return `${number(locale.language, part)} / ${number(locale.language, whole)}`;
}
