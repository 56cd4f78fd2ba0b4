/** Messages of one screen, which come with it: the first visit does not carry the words of every screen. */
import { locale } from './index.svelte';
import { filled, type Language, pluralForm } from './messages';

type Words = Readonly<Record<string, string>>;
/** The names in braces of a message, from its English text. */
type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Filling<T extends string> = Readonly<Record<Names<T>, string | number>>;
type Argument<T extends string> = Names<T> extends never ? [] : [filling: Filling<T>];
type Counted<E extends Words> = keyof E extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;

/** What a screen says in the language of the page. `hi` holds the same keys, no more and no fewer. */
export interface OwnWords<E extends Words> {
  t<K extends keyof E & string>(key: K, ...filling: Argument<E[K]>): string;
  /** In the form that the count asks for, out of `.one` and `.other`. */
  tn<K extends Counted<E>>(key: K, count: number, filling: Readonly<Record<string, string | number>>): string;
  /** The word for a code of the server; `otherwise`, or the code itself, where the screen does not know it. */
  word(group: string, code: string | null | undefined, otherwise?: string): string;
  /** The same with its braces filled. */
  filled(group: string, code: string, filling: Readonly<Record<string, string | number>>): string;
}

export function ownWords<const E extends Words>(en: E, hi: { readonly [K in keyof E]: string }): OwnWords<E> {
  const dictionaries: Record<Language, Words> = { en, hi };
  const text = (key: string, filling: Readonly<Record<string, string | number>> = {}): string =>
    filled(dictionaries[locale.language][key] ?? key, filling);
  return {
    t: (key, ...filling) => text(key, filling[0] as Record<string, string> | undefined),
    tn: (key, count, filling) => text(`${key}.${pluralForm(locale.language, count)}`, filling),
    word: (group, code, otherwise) => {
      const key = `${group}.${code ?? ''}`;
      return Object.hasOwn(en, key) ? text(key) : (otherwise ?? code ?? '');
    },
    filled: (group, code, filling) =>
      Object.hasOwn(en, `${group}.${code}`) ? text(`${group}.${code}`, filling) : code,
  };
}
