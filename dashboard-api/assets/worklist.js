// Keeps the rows of the worklist live: each changed patient's row is fetched, rendered by the server, and
// put in its place. The row that holds the focus is updated where it is and never moved.

import { announce, follow } from "./live.js";

const known = (id) => document.getElementById(`p-${id}`);
const waiting = new Set();
const announced = new Set();
let running = false;

function counts() {
  for (const body of document.querySelectorAll("tbody[data-section]")) {
    const n = body.querySelectorAll("tr.row").length;
    for (const element of document.querySelectorAll(`[data-count="${body.dataset.section}"]`)) element.textContent = n;
    body.querySelector("tr.empty").hidden = n > 0;
  }
}

function place(row) {
  const body = document.getElementById(`section-${row.dataset.bucket}`);
  const after = [...body.querySelectorAll("tr.row")].find((other) => other !== row && other.dataset.rank > row.dataset.rank);
  body.insertBefore(row, after ?? null);
}

/** Same content in the same row: keeps focus and position. */
function refresh(row, fresh) {
  const active = document.activeElement;
  const index = row.contains(active) ? [...row.querySelectorAll("a, button")].indexOf(active) : -1;
  row.className = fresh.className;
  Object.assign(row.dataset, fresh.dataset);
  row.replaceChildren(...fresh.childNodes);
  if (index >= 0) (row.querySelectorAll("a, button")[index] ?? row.querySelector("a")).focus();
  return index >= 0;
}

function patch(id, html) {
  const row = known(id);
  if (html === null) {
    if (row) {
      const next = row.contains(document.activeElement) ? (row.nextElementSibling ?? row.previousElementSibling) : null;
      row.remove();
      next?.querySelector("a, button")?.focus();
    }
    return counts();
  }
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const fresh = template.content.firstElementChild;
  const isNews = !row || row.dataset.alert !== fresh.dataset.alert;
  if (row) {
    const moves = row.dataset.rank !== fresh.dataset.rank || row.dataset.bucket !== fresh.dataset.bucket;
    const focused = refresh(row, fresh);
    if (moves && !focused) place(row);
    // Moved as soon as the focus has left it.
    if (moves && focused) row.addEventListener("focusout", () => setTimeout(() => { if (!row.contains(document.activeElement)) { place(row); counts(); } }), { once: true });
  } else {
    place(fresh);
    fresh.classList.add("fresh");
  }
  const said = `${fresh.dataset.alert ?? row?.dataset.alert}`;
  if (isNews && !announced.has(said)) {
    announced.add(said);
    announce((row ?? fresh).dataset.announce);
  }
  counts();
}

async function work() {
  if (running) return;
  running = true;
  while (waiting.size > 0) {
    const [id] = waiting;
    waiting.delete(id);
    try {
      const answer = await fetch(`/fragments/worklist-row/${id}`);
      if (answer.status === 200) patch(id, await answer.text());
      else if (answer.status === 204 || answer.status === 404) patch(id, null);
      else throw new Error(answer.status);
    } catch {
      // Tried again: an alert must not be missed because one request failed.
      setTimeout(() => { waiting.add(id); work(); }, 2_000);
    }
  }
  running = false;
}

follow((event) => {
  // Readings of patients without open work change nothing on this list.
  if (event.kind === "readings" && !known(event.patient_id)) return;
  waiting.add(event.patient_id);
  work();
});

// Acknowledging without a reload; the form works without this.
document.addEventListener("submit", async (event) => {
  const button = event.target.querySelector("[data-acknowledge]");
  if (!button) return;
  event.preventDefault();
  button.disabled = true;
  const row = button.closest("tr");
  const next = row.nextElementSibling;
  try {
    const answer = await fetch(`/api/v1/alerts/${row.dataset.alert}/acknowledge`, { method: "POST" });
    if (!answer.ok && answer.status !== 409) throw new Error(answer.status);
    next?.querySelector("a, button")?.focus();
    waiting.add(row.id.slice(2));
    await work();
  } catch {
    event.target.submit();
  }
});
