/** Who is signed in, and what that person may do. */
import { locale } from '../i18n/index.svelte';
import { LANGUAGES, type Language } from '../i18n/messages';
import { type ApiError, apiError, call, get, keepCsrfToken, onSignedOut, post, type Session } from './api';
import { router } from './router.svelte';

class CurrentSession {
  person = $state.raw<Session | null>(null);
  /** False until the server has said who is signed in, or that nobody is. */
  known = $state(false);
  /** The session ended by itself while a screen was open. */
  expired = $state(false);
  unreachable = $state.raw<ApiError | null>(null);

  constructor() {
    onSignedOut(() => this.ended());
  }

  /** Asks the server who is signed in. */
  async restore(): Promise<void> {
    try {
      const person = await get<Session | undefined>('/api/session');
      if (person !== undefined) this.#enter(person);
      this.known = true;
      this.unreachable = null;
    } catch (cause) {
      this.unreachable = apiError(cause);
    }
  }

  /** Raises ApiError when name or password is wrong. */
  async signIn(name: string, password: string): Promise<void> {
    this.#enter(await post<Session>('/api/session', { name, password }));
    if (locale.language === this.person?.language) return;
    // A consumer's own language comes first, until another one is chosen on this device.
    const own = LANGUAGES.find((language) => language === this.person?.language);
    if (this.may('read-own') && !locale.chosen && own !== undefined) locale.choose(own);
    else void this.keepLanguage(locale.language);
  }

  async signOut(): Promise<void> {
    try {
      await call('DELETE', '/api/session');
    } finally {
      this.person = null;
      this.expired = false;
      router.go('/sign-in');
    }
  }

  /** The server no longer knows the session: to the sign-in page, and back here afterwards. */
  ended(): void {
    if (this.person === null) return;
    this.person = null;
    this.expired = true;
    router.toSignIn();
  }

  /** Changes the language at once; false when the server could not keep it for the next sign-in. */
  async keepLanguage(language: Language): Promise<boolean> {
    locale.choose(language);
    if (this.person === null) return true;
    try {
      await call('PUT', '/api/session/language', { language });
      return true;
    } catch {
      return false;
    }
  }

  /** Whether the server would allow it; the pages do not offer what it refuses. */
  may(
    permission:
      | 'read-meters'
      | 'read-trial'
      | 'ask-reads'
      | 'check-trial'
      | 'work-exceptions'
      | 'edit-readings'
      | 'read-billing'
      | 'read-own'
      | 'decide-link',
  ): boolean {
    return this.person?.permissions.includes(permission) ?? false;
  }

  #enter(person: Session): void {
    keepCsrfToken(person.csrf_token);
    this.person = person;
    this.known = true;
    this.expired = false;
    this.unreachable = null;
  }
}

export const session = new CurrentSession();
