/** Dark, light, or as the device wishes. */
export type Theme = 'auto' | 'dark' | 'light';
export const THEMES: readonly Theme[] = ['auto', 'dark', 'light'];

const STORED = 'bijlighar.theme';

class ThemeChoice {
  chosen = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? 'auto');
  #deviceDark = $state(matchMedia('(prefers-color-scheme: dark)').matches);

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => {
      this.#deviceDark = event.matches;
    });
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(STORED, theme);
  }

  /** What is in force. A curve drawn on a canvas must be drawn anew when it changes. */
  get inForce(): 'dark' | 'light' {
    if (this.chosen !== 'auto') return this.chosen;
    return this.#deviceDark ? 'dark' : 'light';
  }
}

export const theme = new ThemeChoice();
