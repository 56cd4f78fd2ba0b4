/** The build of the pages: into the Python package, which serves them and carries them in its wheel. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { budget, compressed } from './build/budget.ts';

export default defineConfig({
  plugins: [svelte(), budget(), compressed()],
  build: {
    outDir: '../src/bijlighar/controlroom/pages',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // a data: address is refused by font-src 'self'
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // one folder of files whose names change with their content, so that they may be cached for ever
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: {
    proxy: {
      '/api/live': { target: 'ws://127.0.0.1:8460', ws: true },
      '/api': 'http://127.0.0.1:8460',
    },
  },
});
