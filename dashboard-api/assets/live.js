// Follows the event stream and says, visibly, when what is on the screen can no longer be trusted.

const root = document.getElementById("live");
const banner = document.getElementById("stale");
const clock = document.getElementById("clock");
const announcements = document.getElementById("announcements");
const texts = root.dataset;
const plainTitle = document.title;

/** A heartbeat comes every 5 s. Without one for this long, data are not live. */
const STALE_AFTER = 12_000;
/** Gateway and alert engine beat every few seconds; older than this is told. */
const BEAT_OLD = 15_000;
/** Readings that wait longer than this to be judged are told. */
const QUEUE_OLD = 30;

let position = texts.position;
let lastHeartbeat = Date.now();
let lastAsOf = new Date(texts.now);
// The server's clock decides: a workstation that runs wrong must not make an alert look young.
let offset = new Date(texts.now).getTime() - Date.now();
let source = null;
let ended = false;
let retryIn = 1_000;
let partial = "";
let wasLive = true;

/** Now, by the server's clock. */
export const serverNow = () => new Date(Date.now() + offset);

// In the server's time zone, like every other time on the page.
const time = (date) => date.toLocaleTimeString(document.documentElement.lang === "en" ? "en-GB" : "fr-FR", { timeZone: texts.zone });

/** How long ago, in the same words as the server's. */
export function age(iso) {
  const seconds = Math.max(0, Math.floor((serverNow() - new Date(iso)) / 1000));
  const fill = (text, n) => text.replace("{n}", n);
  if (seconds < 60) return texts.ageNow;
  if (seconds < 5400) return fill(texts.ageMinutes, Math.floor(seconds / 60));
  if (seconds < 172800) return fill(texts.ageHours, Math.floor(seconds / 3600));
  return fill(texts.ageDays, Math.floor(seconds / 86400));
}

function tickAges() {
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = age(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

const queue = [];
/** Short sentences for those who listen, one at a time; never the table itself. */
export function announce(text) {
  if (!text) return;
  if (queue.length < 5) queue.push(text);
}
setInterval(() => {
  const text = queue.shift();
  if (text) announcements.textContent = text;
}, 2_500);

function show() {
  const silent = Date.now() - lastHeartbeat > STALE_AFTER;
  const live = !silent && !ended;
  document.body.classList.toggle("not-live", !live);
  document.title = live ? plainTitle : `${texts.title} · ${plainTitle}`;
  banner.classList.toggle("partial", live && partial !== "");
  const text = ended ? texts.ended : silent ? texts.stale.replace("{time}", time(lastAsOf)) : partial;
  if (banner.dataset.text !== text) {
    banner.dataset.text = text;
    banner.textContent = text;
    if (ended) {
      const link = document.createElement("a");
      link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
      link.textContent = texts.login;
      banner.append(" ", link);
    }
    banner.hidden = text === "";
  }
  if (live && !wasLive) announce(texts.ok);
  wasLive = live;
  if (live) clock.textContent = time(lastAsOf);
}

function heartbeat(event) {
  const data = JSON.parse(event.data);
  lastHeartbeat = Date.now();
  offset = new Date(data.now).getTime() - Date.now();
  lastAsOf = new Date(data.as_of);
  retryIn = 1_000;
  const old = (iso) => iso === null || new Date(data.now) - new Date(iso) > BEAT_OLD;
  const since = (iso) => (iso === null ? "?" : time(new Date(iso)));
  partial = "";
  if (old(data.last_gateway_beat)) partial = texts.gateway.replace("{time}", since(data.last_gateway_beat));
  else if (old(data.last_alerts_beat)) partial = texts.alerts.replace("{time}", since(data.last_alerts_beat));
  else if (data.judging_queue_age > QUEUE_OLD) partial = texts.queue.replace("{n}", Math.round(data.judging_queue_age));
  show();
}

async function sessionIsOver() {
  try {
    const answer = await fetch("/api/v1/session", { headers: { accept: "application/json" } });
    return answer.status === 401;
  } catch {
    return false;
  }
}

function reconnectLater() {
  if (source) source.close();
  source = null;
  setTimeout(async () => {
    if (await sessionIsOver()) {
      ended = true;
      show();
    } else {
      connect();
    }
  }, retryIn);
  retryIn = Math.min(retryIn * 2, 15_000);
}

let handlers = null;

function connect() {
  source = new EventSource(`/api/v1/events?after=${encodeURIComponent(position)}`);
  const remember = (event) => { if (event.lastEventId) position = event.lastEventId; };
  source.addEventListener("heartbeat", (event) => { remember(event); heartbeat(event); });
  source.addEventListener("reset", () => location.reload());
  source.addEventListener("stopping", reconnectLater);
  source.addEventListener("session_ended", () => {
    ended = true;
    source.close();
    show();
  });
  for (const kind of ["readings", "alert_opened", "alert_changed", "rule_changed", "pause_changed"]) {
    source.addEventListener(kind, (event) => {
      remember(event);
      handlers(JSON.parse(event.data));
    });
  }
  // The browser reconnects by itself after a lost connection, not after a refusal.
  source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) reconnectLater(); };
}

/** Calls `onEvent` for each event that this member of staff may see, from the page's position on. */
export function follow(onEvent) {
  handlers = onEvent;
  connect();
  setInterval(() => { tickAges(); show(); }, 1_000);
}
