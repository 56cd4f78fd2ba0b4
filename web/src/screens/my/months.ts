/** Months as YYYY-MM, and amounts as people read them. Pure. */
import type { Language } from '../../i18n/messages';
import { number } from '../../lib/format';

/** The month so many months later, or earlier when negative. */
export function shiftMonth(month: string, by: number): string {
  const [year, of] = month.split('-').map(Number);
  const count = (year ?? 0) * 12 + (of ?? 1) - 1 + by;
  return `${Math.floor(count / 12)}-${String((count % 12) + 1).padStart(2, '0')}`;
}

/** June 2026 */
export function monthName(language: Language, month: string): string {
  return new Intl.DateTimeFormat(language === 'hi' ? 'hi-IN' : 'en-IN', {
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
    numberingSystem: 'latn',
  }).format(new Date(`${month}-15T00:00:00Z`));
}

/** Paise as rupees with two decimals. */
export function rupees(language: Language, paise: number): string {
  return number(language, paise / 100, 2);
}
