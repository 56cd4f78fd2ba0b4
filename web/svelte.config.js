/** The compiler's settings. Styles stand in files, never in attributes: the pages run under style-src 'self'. */
export default {
  compilerOptions: { runes: true, css: 'external', fragments: 'tree' },
};
