/** The CSV of a view: the same query, page by page, with the API's own field names as its head. */
import { get, type MeterPage, type MeterRow } from '../../lib/api';
import { csvLines } from '../../lib/csv';
import { apiAddress, type MeterQuery } from './query';

/** The most rows that one answer may hold. */
const ROWS_A_CALL = 500;

const COLUMNS = [
  'serial',
  'name',
  'address',
  'usage_point',
  'division',
  'feeder',
  'transformer',
  'category',
  'maker',
  'model',
  'state',
  'last_contact',
  'last_outcome',
  'power_w',
  'voltage_v',
  'today_kwh',
  'signal_dbm',
  'success_rate',
  'clock_offset_s',
] as const satisfies readonly (keyof MeterRow)[];

/** Fetches all rows of the view; tells how far it is. Answers the parts of the file and how many rows they hold. */
export async function exportView(
  query: MeterQuery,
  signal: AbortSignal,
  progress: (done: number, total: number) => void,
): Promise<{ parts: string[]; rows: number }> {
  const parts = [csvLines([COLUMNS])];
  let done = 0;
  for (;;) {
    const page = await get<MeterPage>(apiAddress(query, done, ROWS_A_CALL), signal);
    parts.push(csvLines(page.rows.map((row) => COLUMNS.map((column) => row[column]))));
    done += page.rows.length;
    if (done >= page.total || page.rows.length === 0) return { parts, rows: done };
    progress(done, page.total);
  }
}
