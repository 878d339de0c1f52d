// Asks for the notebook while the page's code is on its way: the host reads the file meanwhile. `src/session/early.ts` takes the answer.
(() => {
  const path = new URLSearchParams(location.search).get("path");
  if (!path) return;
  const response = fetch("/api/v1/notebooks/open", { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ path, create: false }) });
  // Whoever takes it says why there is none.
  response.catch(() => undefined);
  globalThis.lecternEarly = { path, response };
})();
