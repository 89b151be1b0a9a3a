// Results as the person types. Without this script the form works by itself.
(() => {
  const form = document.querySelector("[data-search]");
  const results = document.querySelector("[data-search-results]");
  const status = document.querySelector("[data-search-status]");
  if (!form || !results) return;
  const input = form.elements.q;
  let timer = 0;
  let running = null;

  async function search() {
    const words = input.value.trim();
    if (running) running.abort();
    if (words.length < 2) { results.replaceChildren(); status.textContent = ""; return; }
    running = new AbortController();
    const query = new URLSearchParams(new FormData(form));
    query.set("part", "1");
    try {
      const answer = await fetch(`${form.action}?${query}`, { signal: running.signal, credentials: "same-origin" });
      if (!answer.ok) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      results.replaceChildren(...part.body.childNodes);
      const list = results.querySelector("[data-count]");
      const count = list ? Number(list.dataset.count) : 0;
      status.textContent = count ? `${count} ${status.dataset.some}` : status.dataset.none;
    } catch (error) {
      if (error.name !== "AbortError") form.dataset.offline = "1";
    }
  }

  function later() { clearTimeout(timer); timer = setTimeout(search, 150); }
  input.addEventListener("input", later);
  form.elements.near.addEventListener("input", later);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { const first = results.querySelector("a.choice"); if (first) { event.preventDefault(); first.focus(); } }
  });
  results.addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a.choice")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) return;
    if (event.key === "ArrowDown" && links[at + 1]) { event.preventDefault(); links[at + 1].focus(); }
    if (event.key === "ArrowUp") { event.preventDefault(); (links[at - 1] || input).focus(); }
  });
})();
