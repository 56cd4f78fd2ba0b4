import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AST, parse } from 'svelte/compiler';
import { describe, expect, it } from 'vitest';
import { en } from '../src/i18n/en';
import { hi } from '../src/i18n/hi';
import { countedKey, isKey, type MessageKey, message } from '../src/i18n/messages';

const SOURCE = join(import.meta.dirname, '../src');
const KEYS = Object.keys(en) as MessageKey[];
/** Keys that code puts together: a group and a code of the server or a name of its own. */
const LOOKED_UP = [
  'alarm.',
  'clock.part.',
  'kind.',
  'language.',
  'levels.bar.',
  'levels.cause.',
  'levels.scope.',
  'limit.',
  'live.',
  'log.',
  'nameplate.',
  'outcome.',
  'read.',
  'role.',
  'severity.',
  'state.',
  'theme.',
  'trial.cause.',
  'trial.finding.',
  'trial.unit.',
];
/** Signs of units, the name of a language in itself, and bare patterns are the same in every language. */
const SAME_IN_BOTH =
  /^(unit\.|language\.|trial\.p\d|trial\.unit\.ms|clock\.speed$|meters\.option$|levels\.(scopeName|causeCount)$|meter\.phases$)/;

function sources(ending: string): { name: string; text: string }[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => ({ name, text: readFileSync(join(SOURCE, name), 'utf8') }));
}

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '').sort();

describe('the dictionaries', () => {
  it('fill in the same names in both languages', () => {
    for (const key of KEYS) expect(names(hi[key]), key).toEqual(names(en[key]));
  });

  it('leave no message empty, and none of them in the other language', () => {
    for (const key of KEYS) {
      expect(en[key].trim(), key).not.toBe('');
      if (SAME_IN_BOTH.test(key)) continue;
      expect(hi[key], key).toMatch(/[\u0900-\u097f]/);
      expect(en[key], key).not.toMatch(/[\u0900-\u097f]/);
    }
  });

  it('hold no key that nothing uses', () => {
    const all = [...sources('.svelte'), ...sources('.ts')]
      .filter(({ name }) => !name.startsWith('i18n/en') && !name.startsWith('i18n/hi'))
      .map(({ text }) => text)
      .join('\n');
    const unused = KEYS.filter((key) => {
      const base = key.replace(/\.(one|other)$/, '');
      return !all.includes(`'${base}'`) && !LOOKED_UP.some((group) => key.startsWith(group));
    });
    const putTogether =
      /^(meters\.(division|transformer|category|feeder|tower|maker)|trial\.(pass|fail|running|kept|notKept|notYet|notMeasured))$/;
    expect(unused.filter((key) => !putTogether.test(key))).toEqual([]);
  });
});

describe('the words that come with a screen', async () => {
  const files = sources('words.ts').map(({ name }) => name);
  /** Signs of units and figures beside them are the same in every language. */
  const bare = (text: string): string => text.replace(/\{\w+\}|\b(k?Wh|k?VAh|k?VA|k?W|V|A|Hz)\b/g, '');
  const isSame = (text: string): boolean => !/\p{Letter}/u.test(bare(text));

  it('are found', () => expect(files.length).toBeGreaterThan(2));

  for (const file of files) {
    const { en: english, hi: hindi } = (await import(join(SOURCE, file))) as Record<
      'en' | 'hi',
      Record<string, string>
    >;
    it(`fill in the same names in both languages: ${file}`, () => {
      expect(Object.keys(hindi).sort()).toEqual(Object.keys(english).sort());
      for (const [key, text] of Object.entries(english)) expect(names(hindi[key] ?? ''), key).toEqual(names(text));
    });
    it(`are each in their own language: ${file}`, () => {
      for (const [key, text] of Object.entries(english)) {
        expect(text.trim(), key).not.toBe('');
        if (isSame(text)) continue;
        expect(hindi[key], key).toMatch(/[\u0900-\u097f]/);
        expect(text, key).not.toMatch(/[\u0900-\u097f]/);
      }
    });
    it(`hold no key that nothing uses: ${file}`, () => {
      const folder = file.replace(/words\.ts$/, '');
      const all = [...sources('.svelte'), ...sources('.ts')]
        .filter(({ name }) => name !== file && (name.startsWith(folder) || folder.startsWith('screens/meter')))
        .map(({ text }) => text)
        .join('\n');
      const unused = Object.keys(english).filter((key) => {
        const [group = ''] = key.split('.');
        const base = key.replace(/\.(one|other)$/, '');
        return !all.includes(`'${base}'`) && !(key.includes('.') && new RegExp(`['\`]${group}['.]`).test(all));
      });
      expect(unused).toEqual([]);
    });
  }
});

describe('a message', () => {
  it('is filled in', () => {
    expect(message('en', 'common.showing', { shown: 3, total: 11 })).toBe('3 of 11');
    expect(message('hi', 'common.showing', { shown: 3, total: 11 })).toBe('11 में से 3');
  });

  it('shows a name that has no value, so that the fault is seen', () => {
    expect(message('en', 'common.showing', { shown: 3 })).toBe('3 of {total}');
  });

  it('follows the plural rule of its language', () => {
    expect(countedKey('en', 'meters.count', 1)).toBe('meters.count.one');
    expect(countedKey('en', 'meters.count', 0)).toBe('meters.count.other');
    expect(countedKey('hi', 'read.rows', 0)).toBe('read.rows.one');
    expect(countedKey('hi', 'read.rows', 2)).toBe('read.rows.other');
  });

  it('is known by its key alone', () => {
    expect(isKey('outcome.hung')).toBe(true);
    expect(isKey('outcome.invented')).toBe(false);
    expect(isKey('toString')).toBe(false);
  });
});

/** Attributes that people read or hear. */
const SPOKEN = new Set(['aria-label', 'aria-description', 'title', 'alt', 'placeholder', 'label']);
const LETTERS = /\p{Letter}{2,}/u;
/** Names of keys on a keyboard are printed on it in Latin letters everywhere. */
const KEYBOARD = new Set(['kbd']);

type Node = AST.SvelteNode & Record<string, unknown>;

/** Literal words in the markup of a component. */
function literalWords(source: string): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return;
    const node = value as Node;
    if (node.type === 'RegularElement' && KEYBOARD.has(String(node.name))) return;
    if (node.type === 'StyleDirective') return;
    if (node.type === 'Attribute') {
      if (SPOKEN.has(String(node.name)) && Array.isArray(node.value)) {
        for (const part of node.value as Node[]) {
          if (part.type === 'Text' && LETTERS.test(String(part.data))) found.push(String(part.data));
        }
      }
      return;
    }
    if (node.type === 'Text' && LETTERS.test(String(node.data))) found.push(String(node.data).trim());
    if (node.type === 'ExpressionTag') {
      const expression = node.expression as { type: string; value?: unknown };
      if (expression.type === 'Literal' && LETTERS.test(String(expression.value)))
        found.push(String(expression.value));
      return;
    }
    for (const [name, part] of Object.entries(node))
      if (!['css', 'instance', 'module'].includes(name)) visit(part);
  };
  visit(parse(source, { modern: true }).fragment);
  return found;
}

describe('the components', () => {
  it('are searched for literal words in every place where people would read them', () => {
    expect(literalWords('<p>Meters</p>')).toEqual(['Meters']);
    expect(literalWords('<p>{#if yes}<b>मीटर</b>{/if}</p>')).toEqual(['मीटर']);
    expect(literalWords('<input placeholder="Search" class="field">')).toEqual(['Search']);
    expect(literalWords("<p>{'Meters'}</p>")).toEqual(['Meters']);
    expect(literalWords('<p>{t("meters.title")} · 12</p><kbd>Esc</kbd>')).toEqual([]);
  });

  it('hold no literal words: all of them stand in the dictionaries', () => {
    const components = sources('.svelte');
    expect(components.length).toBeGreaterThan(20);
    for (const { name, text } of components) expect(literalWords(text), name).toEqual([]);
  });

  it('hold no style attribute: the content security policy would refuse it', () => {
    for (const { name, text } of sources('.svelte')) expect(text, name).not.toMatch(/\sstyle=|\{@html/);
  });
});
