// A page that the browser kept while the patient was away tells old news: ask for it again.
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
// One press of a button is one press. A page that was kept comes back with its buttons working.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});
