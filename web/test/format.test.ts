import { describe, expect, it } from 'vitest';
import {
  civilDay,
  clock,
  date,
  dayStartMs,
  duration,
  instant,
  instantMs,
  MISSING,
  number,
  partOfDay,
  percent,
  shiftDay,
  signed,
} from '../src/lib/format';

describe('numbers', () => {
  it('are grouped as in India, in both languages with the same digits', () => {
    expect(number('en', 300_000)).toBe('3,00,000');
    expect(number('hi', 300_000)).toBe('3,00,000');
    expect(number('hi', 1234.5, 2)).toBe('1,234.50');
  });

  it('show what is missing as missing, never as zero', () => {
    for (const nothing of [null, undefined, Number.NaN]) expect(number('en', nothing)).toBe(MISSING);
    expect(percent('en', null)).toBe(MISSING);
    expect(signed('hi', null)).toBe(MISSING);
    expect(number('en', 0)).toBe('0');
  });

  it('have a true minus sign, and no negative zero', () => {
    expect(number('en', -103)).toBe('−103');
    expect(number('en', -0.2)).toBe('0');
    expect(signed('en', 1.53, 1)).toBe('+1.5');
    expect(signed('en', -1.5, 1)).toBe('−1.5');
    expect(signed('en', 0.01, 1)).toBe('0.0');
  });

  it('say 100 % only when all is there, and round otherwise', () => {
    expect(percent('en', 0.99999)).toBe('99.9%');
    expect(percent('en', 0.8276)).toBe('82.8%');
    expect(percent('en', 1)).toBe('100%');
    expect(percent('hi', 0.98)).toBe('98.0%');
    expect(percent('en', 0.7013)).toBe('70.1%');
  });
});

describe('instants', () => {
  const late = '2026-06-12T17:40:00Z';

  it('stand on the clock of the utility with its zone named, whatever the device says', () => {
    expect(clock('en', late)).toBe('23:10');
    expect(instant('en', late)).toBe('12 Jun, 23:10 IST');
    expect(instant('hi', late)).toBe('12 जून, 23:10 IST');
    expect(date('hi', late)).toBe('12 जून 2026');
  });

  it('know midnight as 00:00', () => {
    expect(clock('en', '2026-06-12T18:30:00Z')).toBe('00:00');
    expect(clock('hi', '2026-06-12T18:30:00Z')).toBe('00:00');
  });

  it('are missing when they are no instants', () => {
    expect(instant('en', null)).toBe(MISSING);
    expect(instantMs('yesterday')).toBeNull();
  });

  it('belong to the civil day that begins at 18:30 UTC', () => {
    expect(civilDay(Date.parse('2026-06-12T18:29:59Z'))).toBe('2026-06-12');
    expect(civilDay(Date.parse('2026-06-12T18:30:00Z'))).toBe('2026-06-13');
    expect(dayStartMs('2026-06-13')).toBe(Date.parse('2026-06-12T18:30:00Z'));
    expect(shiftDay('2026-03-01', -1)).toBe('2026-02-28');
    expect(shiftDay('2026-12-31', 1)).toBe('2027-01-01');
  });

  it('lie in a part of the day that people name', () => {
    const at = (hour: number): string => partOfDay(dayStartMs('2026-06-12') + hour * 3_600_000);
    expect([0, 3.9, 4, 11.9, 12, 16, 19.9, 20, 23].map(at)).toEqual([
      'night',
      'night',
      'morning',
      'morning',
      'afternoon',
      'evening',
      'evening',
      'night',
      'night',
    ]);
  });
});

describe('durations', () => {
  it('are words of the two largest units', () => {
    expect(duration('en', 7_500)).toBe('2 hours 5 minutes');
    expect(duration('hi', 7_500)).toBe('2 घंटे 5 मिनट');
    expect(duration('en', 86_400 + 59)).toBe('1 day');
    expect(duration('en', 61)).toBe('1 minute 1 second');
    expect(duration('en', 0.2)).toBe('0 seconds');
    expect(duration('en', -5)).toBe('0 seconds');
  });
});
