// Results as the person types: an editable combobox with a listbox (ARIA 1.2). Without this script the form works by itself.
(() => {
  const form = document.querySelector("[data-search]");
  const list = document.querySelector("[data-search-options]");
  const help = document.querySelector("[data-search-help]");
  const status = document.querySelector("[data-search-status]");
  if (!form || !list || !help || !status) return;
  const input = form.elements.q;
  const place = form.elements.near;
  let timer = 0;
  let running = null;
  let active = null;

  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);

  const options = () => [...list.querySelectorAll("[role=option]")];
  const isOpen = () => !list.hidden;

  function choose(option) {
    if (active) active.setAttribute("aria-selected", "false");
    active = option || null;
    if (active) {
      active.setAttribute("aria-selected", "true");
      input.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  function open(yes) {
    list.hidden = !yes;
    input.setAttribute("aria-expanded", String(yes));
    if (!yes) choose(null);
  }

  function show(html) {
    const part = new DOMParser().parseFromString(html, "text/html");
    const found = part.querySelector("[data-options]");
    if (!found) return;
    choose(null);
    list.replaceChildren(...found.childNodes);
    help.replaceChildren(...part.querySelector("[data-help]").childNodes);
    open(Number(found.dataset.count) > 0);
    announce(found.dataset.announce);
  }

  // Screen readers are told once the typing rests, or every letter would interrupt the last announcement.
  let telling = 0;
  function announce(text) {
    clearTimeout(telling);
    telling = setTimeout(() => { status.textContent = text; }, 600);
  }

  async function search() {
    if (running) running.abort();
    if (input.value.trim().length < 2) {
      open(false);
      list.replaceChildren();
      help.replaceChildren();
      announce("");
      return;
    }
    running = new AbortController();
    const query = new URLSearchParams(new FormData(form));
    query.set("part", "1");
    try {
      const answer = await fetch(`${form.action}?${query}`, { signal: running.signal, credentials: "same-origin" });
      if (answer.ok) show(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") return; // offline: the search button still works
    }
  }

  function step(by) {
    const all = options();
    if (!all.length) return;
    if (!isOpen()) open(true);
    const at = all.indexOf(active);
    choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  }

  input.addEventListener("input", later);
  place.addEventListener("input", later);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") { event.preventDefault(); event.altKey ? open(options().length > 0) : step(1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); event.altKey ? open(false) : step(-1); }
    else if (event.key === "Enter" && active) { event.preventDefault(); active.click(); }
    else if (event.key === "Escape" && isOpen()) { event.preventDefault(); open(false); }
    else if (event.key === "Escape" && input.value) { event.preventDefault(); input.value = ""; search(); }
    else if (["Home", "End", "ArrowLeft", "ArrowRight"].includes(event.key)) choose(null);
  });
  input.addEventListener("focus", () => { if (options().length) open(true); });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  // What was typed before the browser went back is still in the field; a page that came with results keeps them.
  if (input.value.trim().length >= 2 && !help.childElementCount) search();
})();
