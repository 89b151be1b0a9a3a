// Brings the live part of the page anew: often while records arrive, seldom otherwise, never in a hidden tab.
"use strict";

const BUSY_MS = 1200;
const CALM_MS = 4000;
const live = document.getElementById("live");

function openKeys() {
  return new Set([...live.querySelectorAll("details[open]")].map((each) => each.dataset.key));
}

async function refresh() {
  let wait = CALM_MS;
  if (!document.hidden) {
    try {
      const answer = await fetch(live.dataset.live, { credentials: "same-origin" });
      if (answer.ok) {
        const open = openKeys();
        const focused = live.contains(document.activeElement);
        const html = await answer.text();
        if (!focused || document.activeElement.tagName === "SUMMARY") replace(html, open);
        wait = answer.headers.get("X-Busy") === "1" ? BUSY_MS : CALM_MS;
      }
    } catch {
      wait = CALM_MS;
    }
  }
  setTimeout(refresh, wait);
}

function replace(html, open) {
  const key = document.activeElement.closest("details")?.dataset.key;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  live.replaceChildren(...fresh.body.childNodes);
  for (const each of live.querySelectorAll("details")) {
    each.open = open.has(each.dataset.key);
    if (each.dataset.key === key) each.querySelector("summary").focus({ preventScroll: true });
  }
}

setTimeout(refresh, BUSY_MS);
