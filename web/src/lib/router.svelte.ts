/** Where in the pages we are: the address is the state, so that back, reload and a sent link all work. */

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  /** Goes to another address of the pages. */
  go(address: string, how: 'push' | 'replace' = 'push'): void {
    if (address === location.pathname + location.search) return;
    if (how === 'push') history.pushState(null, '', address);
    else history.replaceState(null, '', address);
    this.#read();
  }

  /** To the sign-in page, remembering the way back. */
  toSignIn(): void {
    if (this.path === '/sign-in') return;
    const here = this.path + location.search;
    this.go(here === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(here)}`, 'replace');
  }

  /** From the sign-in page to where the person wanted to be. Only addresses of these pages are followed. */
  afterSignIn(): void {
    this.go(safeNext(this.query.get('next')), 'replace');
  }

  #read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
}

/** The way back of a sign-in address; a foreign address in it would make the sign-in page a trap. */
export function safeNext(next: string | null): string {
  if (next === null || !/^\/(?![/\\])/.test(next) || next.startsWith('/sign-in')) return '/meters';
  return next;
}

/** Whether the browser itself should follow a click: another tab, a download, another site. */
export function leftToBrowser(event: MouseEvent, link: HTMLAnchorElement): boolean {
  return (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey ||
    link.target !== '' ||
    link.hasAttribute('download') ||
    link.origin !== location.origin ||
    link.pathname.startsWith('/api/')
  );
}

export const router = new Router();
