/** The rows in sight of a table however long: which are drawn, and where the keyboard is. */
import { tick } from 'svelte';

interface Told {
  /** Heights of a row on a wide and on a narrow screen. */
  rowPx: number;
  narrowRowPx: number;
  total: () => number;
  /** Whether the row at a place is there, so that it can take the focus. */
  has: (place: number) => boolean;
  /** The query in words of the machine: another one starts at its top. */
  view: () => string;
  /** Rows [first, end) are looked at. */
  onview: (first: number, end: number) => void;
  /** A key of the table's own; whether it was one. */
  onkey?: (event: KeyboardEvent) => boolean;
}

const NARROW = '(max-width: 720px)';
/** Rows drawn beyond the edge, so that slow scrolling shows no empty ones. */
const BEYOND = 10;

/** Made while a component starts. Rows carry `data-place`; the scrolling element gets `attach`. */
export class RowWindow {
  /** Of the scrolling element, bound by it. */
  height = $state(0);
  active = $state(0);
  narrow = $state(false);
  #scrollTop = $state(0);
  #wanted = $state<number | null>(null);
  #scroller: HTMLElement | null = null;
  readonly #told: Told;
  readonly rowPx = $derived.by(() => (this.narrow ? this.#told.narrowRowPx : this.#told.rowPx));
  readonly first = $derived.by(() =>
    Math.max(0, Math.min(this.#told.total(), Math.floor(this.#scrollTop / this.rowPx)) - BEYOND),
  );
  readonly end = $derived.by(() =>
    Math.min(this.#told.total(), Math.ceil((this.#scrollTop + this.height) / this.rowPx) + BEYOND),
  );
  readonly places = $derived.by(() =>
    Array.from({ length: Math.max(0, this.end - this.first) }, (_, offset) => this.first + offset),
  );

  constructor(told: Told) {
    this.#told = told;
    $effect(() => this.#followWidth());
    $effect(() => told.onview(this.first, Math.max(this.end, this.first + 1)));
    let before = '';
    $effect(() => {
      const view = told.view();
      if (before !== '' && before !== view) this.#toTop();
      before = view;
    });
    $effect(() => this.#focusWanted());
  }

  /** For the scrolling element. */
  readonly attach = (element: HTMLElement): (() => void) => {
    this.#scroller = element;
    const scrolled = (): void => {
      this.#scrollTop = element.scrollTop;
    };
    element.addEventListener('scroll', scrolled);
    element.addEventListener('keydown', this.#moved);
    return () => {
      element.removeEventListener('scroll', scrolled);
      element.removeEventListener('keydown', this.#moved);
      this.#scroller = null;
    };
  };

  /** Moves the focus into the table. */
  enter(): void {
    if (this.#told.total() > 0) this.#goTo(this.active);
  }

  #followWidth(): () => void {
    const query = matchMedia(NARROW);
    const follow = (): void => {
      this.narrow = query.matches;
    };
    follow();
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }

  #toTop(): void {
    if (this.#scroller !== null) this.#scroller.scrollTop = 0;
    this.active = 0;
    this.#wanted = null;
  }

  /** The row that the keyboard went to takes the focus as soon as it is there. */
  #focusWanted(): void {
    void this.places; // a row far away is drawn only after the scrolling
    const place = this.#wanted;
    if (place === null || !this.#told.has(place)) return;
    void tick().then(() => {
      const row = this.#scroller?.querySelector<HTMLElement>(`[data-place="${place}"]`);
      if (!row || this.#wanted !== place) return;
      this.#wanted = null;
      row.focus({ preventScroll: true });
    });
  }

  #goTo(place: number): void {
    const scroller = this.#scroller;
    if (scroller === null) return;
    this.active = Math.max(0, Math.min(this.#told.total() - 1, place));
    const headPx = scroller.querySelector('thead')?.offsetHeight ?? 0;
    const top = this.active * this.rowPx;
    const room = scroller.clientHeight - headPx;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + this.rowPx > scroller.scrollTop + room) scroller.scrollTop = top + this.rowPx - room;
    this.#wanted = this.active;
    scroller.focus({ preventScroll: true });
  }

  readonly #moved = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLElement && event.target.closest('thead')) return;
    if (this.#told.onkey?.(event)) {
      event.preventDefault();
      return;
    }
    const { active } = this;
    const pageRows = Math.max(1, Math.floor(this.height / this.rowPx) - 2);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + pageRows,
      PageUp: active - pageRows,
      Home: 0,
      End: this.#told.total() - 1,
    };
    const place = steps[event.key];
    if (place === undefined || this.#told.total() === 0) return;
    event.preventDefault();
    this.#goTo(place);
  };
}
