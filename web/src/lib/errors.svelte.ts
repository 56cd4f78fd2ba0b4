/** Errors of the API as sentences in the language of the page. */
import { t } from '../i18n/index.svelte';
import type { ApiError } from './api';

/** One sentence that says what happened. The server's own English detail is shown where nothing better is known. */
export function errorText(error: ApiError): string {
  if (error.code === 'offline') return t('error.offline');
  if (error.code === 'bad-answer') return t('error.badAnswer');
  if (error.code === 'csrf-token-wrong') return t('error.pageOld');
  if (error.code === 'check-under-way') return t('trial.checkUnderWay');
  if (error.code === 'too-many-reads') return t('read.tooMany');
  if (error.status === 401) return t('error.signedOut');
  if (error.status === 403) return t('error.forbidden');
  if (error.status === 404) return t('error.notFound');
  if (error.status === 503) return t('error.unavailable');
  if (error.status >= 500) return t('error.server');
  return t('error.refused', { detail: error.detail || error.code });
}
