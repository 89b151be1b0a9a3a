// "37 records from Mayo so far", moving until the pull is finished; and a page that waits for something to end.
(() => {
  const again = document.querySelector("[data-again]");
  if (again) setTimeout(() => location.reload(), 3000);
  const line = document.querySelector("[data-progress]:not([data-finished])");
  if (!line) return;
  let wait = 1000;
  async function look() {
    try {
      const answer = await fetch(line.dataset.progress, { credentials: "same-origin", cache: "no-store" });
      if (!answer.ok) return;
      const { text, finished } = await answer.json();
      if (text && line.textContent !== text) line.textContent = text;
      if (finished) {
        document.querySelector("[data-moving]")?.remove();
        return;
      }
    } catch { /* offline for a moment: try again */ }
    wait = Math.min(wait * 1.2, 8000);
    later();
  }
  function later() {
    setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", look, { once: true }) : look()), wait);
  }
  setTimeout(look, 400);
})();
