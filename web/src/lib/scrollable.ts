/** A part that scrolls sideways or down can be reached and scrolled by keyboard, but only when it really scrolls. */
export function scrollable(label: string): (element: HTMLElement) => () => void {
  return (element) => {
    const judge = (): void => {
      const scrolls =
        element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
      if (scrolls) {
        element.tabIndex = 0;
        element.setAttribute('role', 'group');
        element.setAttribute('aria-label', label);
      } else {
        for (const name of ['tabindex', 'role', 'aria-label']) element.removeAttribute(name);
      }
    };
    const watcher = new ResizeObserver(judge);
    watcher.observe(element);
    for (const child of element.children) watcher.observe(child);
    judge();
    return () => watcher.disconnect();
  };
}
