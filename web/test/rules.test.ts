import { describe, expect, it } from 'vitest';
import { foreignAddresses, inlineMarkup } from '../build/budget';
import { safeNext } from '../src/lib/addresses';
import type { Slot, TrialLimit, TrialMeter } from '../src/lib/api';
import { query } from '../src/lib/api';
import { axisSteps, dailyUse, daySummary, drawnSlots, missingRuns } from '../src/lib/curves';
import { outcomeMark, severityMark, stateMark } from '../src/lib/marks';
import { addressOf, axisFloor, barAt } from '../src/screens/levels/judging';
import { apiAddress, fromAddress, isWhole, toAddress } from '../src/screens/meters/query';
import { brokenFigures, groupedFindings, limitState, marksOf, trialDays } from '../src/screens/trial/judging';

const DAY = '2026-06-12';
const slotAt = (index: number, energy: number | null): Slot => ({
  start: new Date(Date.parse('2026-06-11T18:30:00Z') + index * 1_800_000).toISOString(),
  import_wh: energy,
  voltage_v: energy === null ? null : 230 + index,
  current_a: null,
});

describe('a day of slots', () => {
  const slots = drawnSlots(DAY, [slotAt(0, 500), slotAt(1, null), slotAt(2, null), slotAt(3, 250)], 1800);

  it('has all slots, and those that the server has not told are not due', () => {
    expect(slots).toHaveLength(48);
    expect(slots.slice(0, 5).map((slot) => slot.due)).toEqual([true, true, true, true, false]);
  });

  it('waits an hour for what came after the last contact, before it is missing', () => {
    const told = [slotAt(0, 500), slotAt(1, null), slotAt(2, null)];
    const at = (minutes: number): number => Date.parse('2026-06-11T18:30:00Z') + minutes * 60_000;
    const states = (nowMs: number): string[] =>
      drawnSlots(DAY, told, 1800, at(35), nowMs)
        .slice(0, 4)
        .map((slot) => (slot.awaited ? 'awaited' : slot.due ? 'due' : 'ahead'));
    expect(states(at(95))).toEqual(['due', 'awaited', 'awaited', 'ahead']);
    expect(states(at(120))).toEqual(['due', 'due', 'awaited', 'ahead']);
    expect(missingRuns(drawnSlots(DAY, told, 1800, at(35), at(120)), 1800)).toEqual([{ from: 30, to: 60 }]);
  });

  it('turns the energy of a slot into its mean power', () => {
    expect(slots[0]?.power_kw).toBe(1);
    expect(slots[3]?.power_kw).toBe(0.5);
    expect(drawnSlots(DAY, [slotAt(0, 250)], 900)[0]?.power_kw).toBe(1);
  });

  it('joins missing slots into runs, and leaves out what is not due', () => {
    expect(missingRuns(slots, 1800)).toEqual([{ from: 30, to: 90 }]);
  });

  it('is summed up with what is missing', () => {
    const summary = daySummary(slots);
    expect(summary).toMatchObject({ energy_wh: 750, due: 4, missing: 2 });
    expect(summary.peak?.minute).toBe(0);
    expect([summary.low?.voltage_v, summary.high?.voltage_v]).toEqual([230, 233]);
  });
});

describe('the use per day', () => {
  const row = (day: string, kwh: number | null) => ({
    day,
    import_kwh: kwh,
    import_kvah: null,
    export_kwh: null,
    export_kvah: null,
  });

  it('is the difference of two midnights, and missing when one of them is', () => {
    const days = dailyUse(
      [row('2026-06-01', 10), row('2026-06-02', 14.5), row('2026-06-04', 20)],
      '2026-06-01',
      '2026-06-04',
    );
    expect(days.map((day) => day.use_kwh)).toEqual([4.5, null, null]);
    expect(days.map((day) => day.register_kwh)).toEqual([10, 14.5, null]);
  });

  it('is drawn against round steps', () => {
    expect(axisSteps(7.2, 4)).toEqual([0, 2, 4, 6, 8]);
    expect(axisSteps(0.31, 4)).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
    expect(axisSteps(0, 4)).toEqual([0, 1]);
  });
});

describe('the view of the meters', () => {
  it('stands in the address and comes back from it', () => {
    const wanted = fromAddress(
      new URLSearchParams('q=gupta&state=late&sort=power_w&direction=desc&division=Jajmau'),
    );
    expect(toAddress(wanted)).toBe('/meters?q=gupta&division=Jajmau&state=late&sort=power_w&direction=desc');
    expect(apiAddress(wanted, 100, 100)).toContain('offset=100&limit=100');
    expect(isWhole(wanted)).toBe(false);
  });

  it('falls back to the ordinary when the address says nonsense', () => {
    const wanted = fromAddress(new URLSearchParams('state=angry&sort=password&direction=up'));
    expect(toAddress(wanted)).toBe('/meters');
    expect(isWhole(wanted)).toBe(true);
  });

  it('leaves empty values out of a query', () => {
    expect(query({ a: '', b: null, c: 0, d: 'x y' })).toBe('?c=0&d=x+y');
    expect(query({})).toBe('');
  });
});

describe('the way back after signing in', () => {
  it('leads only into these pages', () => {
    expect(safeNext('/trial')).toBe('/trial');
    expect(safeNext('/meters/7?x=1')).toBe('/meters/7?x=1');
    for (const trap of [
      null,
      '',
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      '/sign-in?next=/a',
    ]) {
      expect(safeNext(trap)).toBe('/');
    }
  });
});

describe('marks', () => {
  it('never show the unknown as normal', () => {
    expect([stateMark('heard'), stateMark('late'), stateMark('silent'), stateMark('new')]).toEqual([
      'normal',
      'warn',
      'bad',
      'unknown',
    ]);
    expect(severityMark('unheard-of')).toBe('unknown');
    expect([outcomeMark('ok'), outcomeMark('no-answer'), outcomeMark('wrong-meter'), outcomeMark('new')]).toEqual([
      'normal',
      'warn',
      'bad',
      'bad',
    ]);
  });
});

describe('the scorecard', () => {
  const limit = (code: string, allowed: number, measured: number | null, passed: boolean): TrialLimit => ({
    code,
    limit: allowed,
    unit: '',
    measured,
    passed,
  });

  it('tells a limit that is broken from one that is not measured yet', () => {
    expect(limitState(limit('slots_held', 0.995, 1, true))).toBe('kept');
    expect(limitState(limit('slots_held', 0.995, 0.9, false))).toBe('notKept');
    expect(limitState(limit('wrong_values', 0, null, false))).toBe('notMeasured');
    expect(limitState(limit('minimum_days', 3, 1.4, false))).toBe('notYet');
  });

  it('marks the figures of a meter that break a limit, in either direction', () => {
    const meter = {
      success_rate: 0.9,
      slots_expected: 100,
      slots_held: 100,
      latency_ms_p90: null,
      clock_offset_s: -200,
      clock_drift_s_per_day: -5,
      values_wrong: 0,
      register_days_off: 1,
    } as TrialMeter;
    const limits = [
      limit('success_rate_per_meter', 0.95, 0.9, false),
      limit('slots_held', 0.995, 1, true),
      limit('latency_p90', 10_000, null, false),
      limit('clock_offset', 120, 200, false),
      limit('clock_drift', 5, 5, true),
      limit('wrong_values', 0, 0, true),
      limit('register_days_off', 0, 1, false),
    ];
    expect([...brokenFigures(meter, limits)].sort()).toEqual([
      'clock_offset_s',
      'register_days_off',
      'success_rate',
    ]);
  });

  it('puts findings of one kind together, the gravest first and the tower last', () => {
    const finding = (code: string) => ({ code, detail_en: code, detail_hi: code });
    const groups = groupedFindings(['tower-outage', 'gaps', 'bad-meter', 'gaps', 'unheard-of'].map(finding));
    expect(groups.map((group) => [group.code, group.findings.length])).toEqual([
      ['bad-meter', 1],
      ['gaps', 2],
      ['tower-outage', 1],
      ['unheard-of', 1],
    ]);
  });

  it('lies in civil days, and a gap across midnight marks both', () => {
    const trial = { data_from: '2026-06-09T18:30:00Z', data_to: '2026-06-12T18:30:00Z' };
    expect(trialDays(trial as Parameters<typeof trialDays>[0])).toEqual([
      '2026-06-10',
      '2026-06-11',
      '2026-06-12',
    ]);
    const gap = { start: '2026-06-10T18:00:00Z', end: '2026-06-10T19:00:00Z' };
    expect(marksOf(gap, '2026-06-10', 3)).toEqual([
      { day: 0, from: 1410, to: 1440 },
      { day: 1, from: 0, to: 30 },
    ]);
    expect(marksOf({ start: '2026-06-01T00:00:00Z', end: '2026-06-02T00:00:00Z' }, '2026-06-10', 3)).toEqual([]);
  });
});

describe('the budget of the build', () => {
  it('finds addresses that a browser could load, and lets namespaces be', () => {
    expect(foreignAddresses('fetch("https://cdn.example/x.js")')).toEqual(['https://cdn.example/x.js']);
    expect(foreignAddresses('"http://www.w3.org/2000/svg"')).toEqual([]);
  });

  it('finds markup that the policy would refuse', () => {
    expect(inlineMarkup('<script src="/a.js"></script>')).toEqual([]);
    expect(inlineMarkup('<script>alert(1)</script>')).toHaveLength(1);
    expect(inlineMarkup('<p style="color:red" onclick="x()">')).toHaveLength(2);
  });
});

describe('service levels', () => {
  const kind = {
    kind: 'block-load',
    expected_rows: 48,
    held_rows: 48,
    share: [],
    whole: [],
    bars: [
      { code: 'morning', hours: 8, limit: 0.95, measured: 0.96, kept: true },
      { code: 'day', hours: 24, limit: 0.99, measured: 0.98, kept: false },
      { code: 'second', hours: 24, limit: 0.98, measured: 0.98, kept: true },
    ],
  };

  it('hold an hour against the last bar that has fallen due', () => {
    expect([7, 8, 23, 24, 72].map((hours) => barAt(kind, hours))).toEqual([null, 0.95, 0.95, 0.99, 0.99]);
  });

  it('are drawn from where the least of them can be told', () => {
    expect(axisFloor([0.999, null, 0.95])).toBe(0.9);
    expect(axisFloor([0.76])).toBe(0.75);
    expect(axisFloor([0.6])).toBe(0.5);
    expect(axisFloor([0.2, 0.99])).toBe(0);
    expect(axisFloor([null])).toBe(0.9);
  });

  it('lead to the meters that a fault concerns', () => {
    expect(addressOf({ scope: 'tower', name: 'tower 1/2', meter_id: null })).toBe('/meters?tower=tower+1%2F2');
    expect(addressOf({ scope: 'make', name: 'Genus', meter_id: null })).toBe('/meters?maker=Genus');
    expect(addressOf({ scope: 'meter', name: 'BJ1', meter_id: 7 })).toBe('/meters/7');
    expect(addressOf({ scope: 'utility', name: '', meter_id: null })).toBeNull();
  });
});
