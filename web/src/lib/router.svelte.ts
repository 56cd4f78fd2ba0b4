/** Where in the pages we are: the address is the state, so that back, reload and a sent link all work. */

import { safeNext } from './addresses';

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

export const router = new Router();
