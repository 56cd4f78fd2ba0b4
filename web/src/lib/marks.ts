/** Which mark a code of the server gets. What the pages do not know is marked as not known, never as normal. */
import type { MarkKind } from '../parts/Mark.svelte';

const STATES: Record<string, MarkKind> = { heard: 'normal', late: 'warn', silent: 'bad' };
const VERDICTS: Record<string, MarkKind> = { pass: 'good', fail: 'bad', running: 'unknown' };
const SEVERITIES: Record<string, MarkKind> = { critical: 'bad', high: 'warn', normal: 'normal', info: 'normal' };
const JOBS: Record<string, MarkKind> = { waiting: 'unknown', running: 'unknown', done: 'good', failed: 'bad' };
/** Outcomes that another try may mend; the others need a person. */
const PASSING_TROUBLE = new Set(['no-answer', 'hung', 'reset', 'incomplete']);

export const stateMark = (state: string): MarkKind => STATES[state] ?? 'unknown';
export const verdictMark = (verdict: string): MarkKind => VERDICTS[verdict] ?? 'unknown';
export const severityMark = (severity: string): MarkKind => SEVERITIES[severity] ?? 'unknown';
export const jobMark = (state: string): MarkKind => JOBS[state] ?? 'unknown';

/** The mark of a contact's outcome. */
export function outcomeMark(outcome: string): MarkKind {
  if (outcome === 'ok') return 'normal';
  return PASSING_TROUBLE.has(outcome) ? 'warn' : 'bad';
}
