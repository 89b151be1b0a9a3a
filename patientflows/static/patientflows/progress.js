// "37 records so far", moving until the pull is finished.
(() => {
  const line = document.querySelector("[data-progress]");
  if (!line) return;
  let wait = 1000;
  async function look() {
    try {
      const answer = await fetch(line.dataset.progress, { credentials: "same-origin" });
      if (!answer.ok) return;
      const { records, finished } = await answer.json();
      const text = (finished ? line.dataset.all : line.dataset.one).replace("#", records);
      if (line.textContent !== text) line.textContent = text;
      if (finished) return;
    } catch { /* offline for a moment: try again */ }
    wait = Math.min(wait * 1.15, 5000);
    setTimeout(look, wait);
  }
  setTimeout(look, 400);
})();
