/** What the API tells of billing. Energies in Wh, amounts in paise; null where not known. */

export interface ReconciliationRow {
  first_day: string;
  last_day: string;
  made_at: string;
  usage_points: number;
  billed: number;
  explained: number;
  unexplained: number;
}

export interface Difference {
  usage_point: string;
  name: string;
  meter_id: number | null;
  serial: string;
  cause: string;
  detail: string;
  sent_wh: number | null;
  billed_wh: number | null;
  amount_paise: number | null;
  expected_paise: number | null;
}

export interface Reconciliation extends ReconciliationRow {
  causes: Record<string, number>;
  total: number;
  differences: Difference[];
}

export interface Decision {
  verdict: string;
  decided_by: string;
  decided_at: string;
  reason: string;
}

export interface Link {
  deliveries: Record<string, number>;
  refused_rows: number;
  passes: boolean;
  lacks: { what: string; day: string | null; count: number; usage_points: number }[];
  days_wanted: number;
  decision: Decision | null;
  reconciliations: ReconciliationRow[];
}

export interface RefusedRow {
  message_id: string;
  kind: string;
  received_at: string;
  row: number;
  reason: string;
  content: string;
}

export interface Statement {
  key: string;
  revision: number;
  first_day: string;
  last_day: string;
  state: string;
  reason: string;
  meters: string[];
  import_wh: number;
  import_vah: number | null;
  export_wh: number | null;
  demand_w: number | null;
  demand_at: string | null;
  power_factor: number | null;
  basis: string;
  expected_slots: number;
  missing_slots: number;
  estimated_slots: number;
  created_at: string | null;
  answered_at: string | null;
  bill_reference: string | null;
  billed_wh: number | null;
  amount_paise: number | null;
}

/** Master data of the billing server; null where it told nothing of it. */
export interface Account {
  valid_from: string;
  account: string | null;
  name: string | null;
  tariff: string | null;
  sanctioned_load_w: number | null;
  status: string | null;
}

export interface Point {
  usage_point: string;
  name: string;
  address: string;
  sanctioned_load_w: number;
  /** As it holds today; null where the billing server told nothing. */
  account: Account | null;
  meters: { meter_id: number; serial: string; installed_at: string | null; removed_at: string | null }[];
  statements: Statement[];
}

export interface Preview {
  tariff: string;
  name: string;
  name_hi: string;
  valid_from: string;
  source: string;
  lines: { what: string; name: string; quantity: number; rate: number; amount_paise: number }[];
  amount_paise: number;
  billed_paise: number | null;
}
