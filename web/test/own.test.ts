import { describe, expect, it } from 'vitest';
import { monthName, rupees, shiftMonth } from '../src/screens/my/months';

describe('months and amounts', () => {
  it('turn over the year', () => {
    expect(shiftMonth('2026-01', -1)).toBe('2025-12');
    expect(shiftMonth('2026-12', 1)).toBe('2027-01');
    expect(shiftMonth('2026-06', -13)).toBe('2025-05');
  });

  it('are named in the language of the page', () => {
    expect(monthName('en', '2026-06')).toBe('June 2026');
    expect(monthName('hi', '2026-06')).toBe('जून 2026');
    expect(rupees('en', 1_54_200_50)).toBe('1,54,200.50');
  });
});
