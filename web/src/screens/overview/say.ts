/** The words of this screen. */
import { ownWords } from '../../i18n/own.svelte';
import { en, hi } from './words';

export const own = ownWords(en, hi);
