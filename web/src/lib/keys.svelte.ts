/** Keyboard shortcuts of the whole page. Single keys can be switched off (WCAG 2.1.4). */
import { router } from './router.svelte';

const STORED = 'bijlighar.keys';
/** `g` waits this long for its second key. */
const SECOND_KEY_MS = 1_200;

class Keys {
  enabled = $state(localStorage.getItem(STORED) !== 'off');
  helpOpen = $state(false);
  #pending = 0;

  switch(enabled: boolean): void {
    this.enabled = enabled;
    localStorage.setItem(STORED, enabled ? 'on' : 'off');
  }

  /** Handles a key pressed anywhere on the page. */
  handle(event: KeyboardEvent): void {
    if (!this.enabled || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const second = performance.now() < this.#pending;
    this.#pending = 0;
    if (second && event.key === 'o') router.go('/');
    else if (second && event.key === 'm') router.go('/meters');
    else if (second && event.key === 't') router.go('/trial');
    else if (second && event.key === 'd') router.go('/day');
    else if (second && event.key === 's') router.go('/service-levels');
    else if (second && event.key === 'e') router.go('/exceptions');
    else if (second && event.key === 'b') router.go('/billing');
    else if (event.key === 'g') this.#pending = performance.now() + SECOND_KEY_MS;
    else if (event.key === '?') this.helpOpen = true;
    else if (event.key === '/') this.#search(event);
  }

  #search(event: KeyboardEvent): void {
    event.preventDefault();
    const field = document.querySelector<HTMLInputElement>('[data-search]');
    if (field === null) router.go('/meters?focus=search');
    else field.focus();
  }
}

/** True where a key belongs to a field that takes text or a choice. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) {
    return true;
  }
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type);
}

export const keys = new Keys();
