/** Short messages about what has just happened; read out by screen readers, gone after a while. */
export type ToastKind = 'done' | 'trouble' | 'progress';

export interface Toast {
  id: number;
  kind: ToastKind;
  text: string;
  /** What can be done about it in place of closing it, such as giving up a long task. */
  act?: { text: string; run: () => void };
}

/** Long enough to read a sentence twice; trouble stays until it is closed. */
const SHOWN_MS = 8_000;
/** More at once would hide the screen. */
const MOST_AT_ONCE = 4;

class Toasts {
  shown = $state<Toast[]>([]);
  #next = 1;

  show(kind: ToastKind, text: string, act?: Toast['act']): number {
    const id = this.#next++;
    this.shown = [...this.shown, { id, kind, text, ...(act && { act }) }].slice(-MOST_AT_ONCE);
    if (kind === 'done') setTimeout(() => this.close(id), SHOWN_MS);
    return id;
  }

  /** Changes the words of one that is still shown, for progress. */
  change(id: number, text: string): void {
    this.shown = this.shown.map((toast) => (toast.id === id ? { ...toast, text } : toast));
  }

  close(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
