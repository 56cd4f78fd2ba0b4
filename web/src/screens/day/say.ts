/** The words of this screen, and places and energies as they are said. */
import type { Language } from '../../i18n/messages';
import { ownWords } from '../../i18n/own.svelte';
import { number } from '../../lib/format';
import { inMega, type Place } from './report';
import { en, hi } from './words';

export const own = ownWords(en, hi);

/** A place by its name in the language of the page. */
export function nameOf(language: Language, place: Place): string {
  if (place.scope === 'utility') return own.t('utility');
  if (place.code === '') return own.t('noTransformer');
  return (language === 'hi' ? place.name_hi || place.name : place.name) || place.code;
}

/** Energy with its unit: kWh, or MWh where there are many. */
export function energy(language: Language, kwh: number | null | undefined): string {
  if (kwh === null || kwh === undefined) return number(language, null);
  return inMega(kwh) ? `${number(language, kwh / 1000, 1)} MWh` : `${number(language, kwh, 1)} kWh`;
}
