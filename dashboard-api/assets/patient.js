// Keeps a patient's page live: on news about this patient the page is fetched again and its live parts are
// replaced, unless somebody is writing in one of them; then a button offers the update.

import { announce, follow } from "./live.js";

const patient = document.querySelector("[data-patient]").dataset.patient;
const update = document.getElementById("update");
let timer = null;
let held = false;

const isBeingUsed = (part) =>
  part.contains(document.activeElement) && document.activeElement !== part && document.activeElement.matches("input, select, textarea")
  || [...part.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.value !== field.defaultValue)
  || [...part.querySelectorAll("select")].some((field) => [...field.options].some((option) => option.selected !== option.defaultSelected && option.selected && option.index > 0));

async function load(force) {
  const answer = await fetch(location.pathname + location.search);
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  held = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const replacement = fresh.getElementById(part.id);
    if (!replacement || replacement.innerHTML === part.innerHTML) continue;
    if (!force && isBeingUsed(part)) {
      held = true;
      continue;
    }
    const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
    const focused = part.contains(document.activeElement) ? document.activeElement.closest("[id]")?.id : null;
    part.replaceChildren(...replacement.childNodes);
    for (const details of part.querySelectorAll("details")) if (open.includes(details.id)) details.open = true;
    if (focused) document.getElementById(focused)?.querySelector("summary, a, button")?.focus();
  }
  update.hidden = !held;
  showNewest();
}

/** Where a chart is wider than the screen, today is what people look for first. */
function showNewest() {
  for (const plot of document.querySelectorAll(".plot")) plot.scrollLeft = plot.scrollWidth;
}
showNewest();

const later = (force) => {
  clearTimeout(timer);
  timer = setTimeout(() => load(force).catch(() => later(force)), 400);
};

update.querySelector("button").addEventListener("click", () => load(true));

follow((event) => {
  if (event.patient_id !== patient) return;
  if (event.kind === "alert_opened") announce(document.getElementById("alerts-title").textContent);
  later(false);
});
