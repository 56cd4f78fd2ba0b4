/** Tests of the parts that need no browser; the pages themselves are tested in tests/browser. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  resolve: { conditions: ['browser'] },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
