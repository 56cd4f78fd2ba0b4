/** The language of the page, as state that every component follows. */
import {
  type CountedKey,
  countedKey,
  type Filling,
  type FillingArgument,
  isKey,
  LANGUAGES,
  type Language,
  type MessageKey,
  message,
} from './messages';

const STORED = 'bijlighar.language';

/** What was chosen on this device, else the browser's wish, else Hindi. */
function firstLanguage(): Language {
  const chosen = LANGUAGES.find((language) => language === document.documentElement.lang);
  if (localStorage.getItem(STORED) !== null && chosen) return chosen;
  return navigator.language.startsWith('en') ? 'en' : 'hi';
}

class Locale {
  language = $state<Language>(firstLanguage());

  /** Whether somebody chose on this device. */
  get chosen(): boolean {
    return localStorage.getItem(STORED) !== null;
  }

  /** Changes the language of the page and remembers it on this device. */
  choose(language: Language): void {
    this.language = language;
    document.documentElement.lang = language;
    localStorage.setItem(STORED, language);
  }
}

export const locale = new Locale();
document.documentElement.lang = locale.language;

/** The message in the current language. */
export function t<K extends MessageKey>(key: K, ...filling: FillingArgument<K>): string {
  return message(locale.language, key, filling[0]);
}

/** The message in the form that the count asks for; `{count}` is filled with `shown`. */
export function tn<K extends CountedKey>(
  key: K,
  count: number,
  filling: Omit<Filling<`${K}.other`>, 'count'> & { readonly count: string },
): string {
  return message(locale.language, countedKey(locale.language, key, count), filling as Record<string, string>);
}

/** The word for a code of the server; the code itself where the pages do not know it yet. */
export function word(group: string, code: string | null | undefined): string {
  if (code === null || code === undefined || code === '') return t('common.unknown');
  const key = `${group}.${code}`;
  return isKey(key) ? message(locale.language, key) : code;
}

/** A person's name in the script of the page. */
export function personName(person: { display_name: string; display_name_hi: string }): string {
  return locale.language === 'hi' ? person.display_name_hi || person.display_name : person.display_name;
}
