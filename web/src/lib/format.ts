/**
 * Numbers, instants and durations as people read them. Pure: language and `now` are arguments.
 *
 * Times are shown on the clock of the utility, Asia/Kolkata, whatever the device's own zone is. A missing value
 * is a dash, never a zero.
 */
import type { Language } from '../i18n/messages';

export const ZONE = 'Asia/Kolkata';
export const ZONE_NAME = 'IST';
export const MISSING = '—';
/** India keeps one offset all year, so a civil day begins at 18:30 UTC of the day before. */
const ZONE_OFFSET_MS = 330 * 60_000;
const DAY_MS = 86_400_000;

const TAGS: Record<Language, string> = { en: 'en-IN', hi: 'hi-IN' };

const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numbers(language: Language, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${language}${JSON.stringify(options)}`;
  let format = made.get(key) as Intl.NumberFormat | undefined;
  if (format === undefined) {
    format = new Intl.NumberFormat(TAGS[language], { numberingSystem: 'latn', ...options });
    made.set(key, format);
  }
  return format;
}

function dates(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${language}${JSON.stringify(options)}`;
  let format = made.get(key) as Intl.DateTimeFormat | undefined;
  if (format === undefined) {
    format = new Intl.DateTimeFormat(TAGS[language], {
      timeZone: ZONE,
      numberingSystem: 'latn',
      hourCycle: 'h23',
      ...options,
    });
    made.set(key, format);
  }
  return format;
}

/** A number in the grouping of India (3,00,000) with a fixed count of decimals; a true minus sign. */
export function number(language: Language, value: number | null | undefined, decimals = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const text = numbers(language, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    signDisplay: 'negative',
  }).format(value);
  return text.replace('-', '−');
}

/** A number with its sign always shown, except zero: how far a clock is off. */
export function signed(language: Language, value: number | null | undefined, decimals = 0): string {
  if (value === null || value === undefined) return MISSING;
  const text = number(language, value, decimals);
  return value > 0 && Number(value.toFixed(decimals)) > 0 ? `+${text}` : text;
}

/** A share of one as per cent. 100 % means all and nothing less: what falls short of it is never rounded up to it. */
export function percent(language: Language, share: number | null | undefined, decimals = 1): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return MISSING;
  const scale = 10 ** (decimals + 2);
  const rounded = Math.round(share * scale) / scale;
  const cut = share >= 1 ? 1 : Math.min(rounded, (scale - 1) / scale);
  return numbers(language, {
    style: 'percent',
    minimumFractionDigits: cut === 1 ? 0 : decimals,
    maximumFractionDigits: decimals,
  }).format(cut);
}

/** Epoch milliseconds of an ISO instant; null when absent or not an instant. */
export function instantMs(iso: string | null | undefined): number | null {
  if (!iso) return null;
  const value = Date.parse(iso);
  return Number.isNaN(value) ? null : value;
}

function at(
  language: Language,
  iso: string | number | null | undefined,
  options: Intl.DateTimeFormatOptions,
): string {
  const value = typeof iso === 'number' ? iso : instantMs(iso);
  return value === null ? MISSING : dates(language, options).format(value);
}

/** 23:10 */
export function clock(language: Language, iso: string | number | null | undefined): string {
  return at(language, iso, { hour: '2-digit', minute: '2-digit' });
}

/** 23:10:05 */
export function clockSeconds(language: Language, iso: string | number | null | undefined): string {
  return at(language, iso, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** 12 Jun 2026 */
export function date(language: Language, iso: string | number | null | undefined): string {
  return at(language, iso, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** 12 Jun, for axes and narrow columns */
export function dayMonth(language: Language, iso: string | number | null | undefined): string {
  return at(language, iso, { day: 'numeric', month: 'short' });
}

/** Fri 12 Jun 2026 */
export function weekday(language: Language, iso: string | number | null | undefined): string {
  return at(language, iso, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
}

/** 12 Jun, 23:10 IST */
export function instant(language: Language, iso: string | number | null | undefined): string {
  const value = typeof iso === 'number' ? iso : instantMs(iso);
  if (value === null) return MISSING;
  return `${dayMonth(language, value)}, ${clock(language, value)} ${ZONE_NAME}`;
}

/** 12 Jun, 23:10: for columns whose head names the zone */
export function instantShort(language: Language, iso: string | number | null | undefined): string {
  const value = typeof iso === 'number' ? iso : instantMs(iso);
  if (value === null) return MISSING;
  return `${dayMonth(language, value)}, ${clock(language, value)}`;
}

/** The civil day of an instant, YYYY-MM-DD. */
export function civilDay(atMs: number): string {
  return new Date(atMs + ZONE_OFFSET_MS).toISOString().slice(0, 10);
}

/** The first instant of a civil day, epoch milliseconds. */
export function dayStartMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) - ZONE_OFFSET_MS;
}

/** The civil day so many days later (or earlier, when negative). */
export function shiftDay(day: string, days: number): string {
  return civilDay(dayStartMs(day) + days * DAY_MS);
}

const STEPS: readonly (readonly [unit: 'day' | 'hour' | 'minute' | 'second', seconds: number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

/** A duration in words: its largest unit, and the next one when it is not zero. "2 hours 5 minutes" */
export function duration(language: Language, seconds: number, width: 'long' | 'short' = 'long'): string {
  let rest = Math.max(0, Math.round(seconds));
  const first = STEPS.findIndex(([, size]) => rest >= size);
  if (first === -1) return unitOf(language, 0, 'second', width);
  const parts: string[] = [];
  for (const [unit, size] of STEPS.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(unitOf(language, count, unit, width));
  }
  return parts.join(' ');
}

function unitOf(language: Language, count: number, unit: string, width: 'long' | 'short'): string {
  return numbers(language, { style: 'unit', unit, unitDisplay: width }).format(count);
}

export type PartOfDay = 'night' | 'morning' | 'afternoon' | 'evening';

/** Which part of the day a town's clock shows, as people name it: a bare 11:10 is easily taken for the other one. */
export function partOfDay(atMs: number): PartOfDay {
  const hour = new Date(atMs + ZONE_OFFSET_MS).getUTCHours();
  if (hour < 4 || hour >= 20) return 'night';
  if (hour < 12) return 'morning';
  return hour < 16 ? 'afternoon' : 'evening';
}
