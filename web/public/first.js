// Runs before the first paint: the chosen theme and language, so that the page neither flashes nor changes its tongue.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem('bijlighar.theme');
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
    const language = localStorage.getItem('bijlighar.language');
    if (language === 'hi' || language === 'en') root.lang = language;
  } catch {
    // storage refused by the browser: the defaults stand
  }
})();
