/**
 * Holds the built pages to their promises: the first script stays small, and nothing in them would break the
 * content security policy or leave the machine. A breach fails the build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** What an operator's first visit loads, script only, compressed (reference: figures of the control room). */
const INITIAL_SCRIPT_LIMIT_OCTETS = 60_000;
/** Named in specifications and namespaces; never loaded. */
const NAMES_ONLY = ['http://www.w3.org/', 'https://svelte.dev/e/'];

const INLINE = [/<script(?![^>]*\ssrc=)[^>]*>/i, /<style[\s>]/i, /\sstyle=/i, /\son[a-z]+=/i];

/** The chunks that the page loads before anything is shown: entries and all they import statically. */
function initialChunks(bundle: Record<string, { type: string }>): string[] {
  const waiting: string[] = [];
  for (const [name, part] of Object.entries(bundle)) {
    if (part.type === 'chunk' && (part as { isEntry?: boolean }).isEntry) waiting.push(name);
  }
  const found = new Set<string>();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    waiting.push(...((bundle[name] as { imports?: string[] }).imports ?? []));
  }
  return [...found].sort();
}

/** Addresses in a text that a browser could try to load. */
export function foreignAddresses(text: string): string[] {
  const addresses = text.match(/(?:https?|wss?):\/\/[^\s"'`)<>\\]+/g) ?? [];
  return addresses.filter((address) => !NAMES_ONLY.some((name) => address.startsWith(name)));
}

/** Markup that the content security policy would refuse. */
export function inlineMarkup(html: string): string[] {
  return INLINE.map((pattern) => pattern.exec(html)?.[0] ?? '').filter((found) => found !== '');
}

/** Below this a compressed copy saves no packet. */
const WORTH_COMPRESSING_OCTETS = 1_000;

/** Writes text files compressed beside themselves, once they are whole: the server hands them out as they are. */
export function compressed(): Plugin {
  return {
    name: 'bijlighar-compressed',
    apply: 'build',
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle)) {
        if (!/\.(js|css|html)$/.test(name)) continue;
        const file = join(options.dir ?? '', name);
        const text = readFileSync(file);
        if (text.length < WORTH_COMPRESSING_OCTETS) continue;
        writeFileSync(`${file}.br`, brotliCompressSync(text));
        writeFileSync(`${file}.gz`, gzipSync(text));
      }
    },
  };
}

/** The Vite plugin; prints the measured size, throws on a breach. */
export function budget(): Plugin {
  return {
    name: 'bijlighar-budget',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      let octets = 0;
      for (const name of initialChunks(bundle)) {
        const part = bundle[name];
        if (part?.type === 'chunk') octets += gzipSync(part.code).length;
      }
      this.info(
        `initial script ${(octets / 1000).toFixed(1)} kB compressed, limit ${INITIAL_SCRIPT_LIMIT_OCTETS / 1000} kB`,
      );
      if (octets > INITIAL_SCRIPT_LIMIT_OCTETS) this.error(`initial script is ${octets} octets compressed`);
      for (const [name, part] of Object.entries(bundle)) {
        const text = part.type === 'chunk' ? part.code : typeof part.source === 'string' ? part.source : '';
        const foreign = foreignAddresses(text);
        if (foreign.length > 0) this.error(`${name} names ${foreign[0]}: the pages load nothing from outside`);
        if (!name.endsWith('.html')) continue;
        const inline = inlineMarkup(text);
        if (inline.length > 0) this.error(`${name} holds ${inline[0]}: the content security policy refuses it`);
      }
    },
  };
}
