/** The words of the consumer's pages. */
import { ownWords } from '../../i18n/own.svelte';
import { en, hi } from './words';

export const say = ownWords(en, hi);
