// Runs in a page before anything of it: notes when all panels in sight show their answer, and two
// frames later, when what they drew is on the screen, how long that took since the request.
(() => {
  const shown = panel => {
    const box = panel.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  };
  const done = () => {
    const panels = [...document.querySelectorAll('[data-panel]')];
    return panels.length && panels.filter(shown).every(panel => 'loaded' in panel.dataset);
  };
  const look = () => {
    if (window.usableMs || !document.body || !done()) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.usableMs = performance.now();
      document.documentElement.dataset.usable = '';
    }));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, {subtree: true, childList: true, attributeFilter: ['data-loaded']});
})();
