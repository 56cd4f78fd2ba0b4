/** Names of divisions and transformers, asked for once: filters show them where the API tells codes. */
import { locale } from '../i18n/index.svelte';
import { get } from './api';

interface Registry {
  divisions: { code: string; name: string; name_hi: string }[];
  transformers: { code: string; name: string; name_hi: string }[];
}

class Places {
  #names = $state.raw(new Map<string, { name: string; name_hi: string }>());
  #asked = false;

  /** Name of a division (known by code or name) or a transformer in the page's language; until then what was told. */
  nameOf(what: string, code: string): string {
    void this.#ask();
    const named = this.#names.get(`${what} ${code}`);
    if (named === undefined) return code;
    const name = (locale.language === 'hi' ? named.name_hi || named.name : named.name) || code;
    // Transformers are known by their codes in the field; the code stays beside the name.
    return what === 'transformer' && name !== code ? `${code} ${name}` : name;
  }

  async #ask(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    try {
      const told = await get<Registry>('/api/registry');
      this.#names = new Map([
        ...told.divisions.map((each): [string, typeof each] => [`division ${each.code}`, each]),
        ...told.divisions.map((each): [string, typeof each] => [`division ${each.name}`, each]),
        ...told.transformers.map((each): [string, typeof each] => [`transformer ${each.code}`, each]),
      ]);
    } catch {
      this.#asked = false; // codes are shown, and the next list asks again
    }
  }
}

export const places = new Places();
