/** What a language must hold, and how a message is filled in. Pure: the current language is an argument. */
import { en } from './en';
import { hi } from './hi';

export type Language = 'hi' | 'en';
export const LANGUAGES: readonly Language[] = ['hi', 'en'];

type English = typeof en;
export type MessageKey = keyof English;
/** Every language: the same keys, no more and no fewer. */
export type Dictionary = { readonly [K in MessageKey]: string };

/** The names in braces of a message, from its English text. */
type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
export type Filling<K extends MessageKey> = { readonly [N in Names<English[K]>]: string | number };
/** No second argument where a message has nothing to fill in; all of it where it has. */
export type FillingArgument<K extends MessageKey> = Names<English[K]> extends never ? [] : [filling: Filling<K>];

/** Keys of messages that have nothing to fill in. */
export type PlainKey = { [K in MessageKey]: Names<English[K]> extends never ? K : never }[MessageKey];

/** Keys that come in `.one` and `.other`. */
export type CountedKey = MessageKey extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;

const DICTIONARIES: Record<Language, Dictionary> = { en, hi };
const RULES: Record<Language, Intl.PluralRules> = {
  en: new Intl.PluralRules('en-IN'),
  hi: new Intl.PluralRules('hi-IN'),
};

/** The message with its braces filled; a name without a value stays visible, so that the fault is seen. */
export function message(
  language: Language,
  key: MessageKey,
  filling: Record<string, string | number> = {},
): string {
  return filled(DICTIONARIES[language][key], filling);
}

/** A text with its braces filled. */
export function filled(text: string, filling: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (braces, name: string) => (name in filling ? String(filling[name]) : braces));
}

/** True when the text is a key of the dictionaries: codes of the server are looked up by name. */
export function isKey(text: string): text is MessageKey {
  return Object.hasOwn(en, text);
}

/** The form of a counted message that the language's rule asks for. */
export function countedKey(language: Language, key: CountedKey, count: number): MessageKey {
  return `${key}.${pluralForm(language, count)}` as MessageKey;
}

export function pluralForm(language: Language, count: number): 'one' | 'other' {
  return RULES[language].select(count) === 'one' ? 'one' : 'other';
}
