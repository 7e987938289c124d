// What pages can do beyond being read: follow what happens, count time, copy, draw. Without it all of them work, too.
"use strict";

// The only HTML that is ever parsed here is that of this site's own pages.
const trusted = window.trustedTypes
  ? trustedTypes.createPolicy("maildrift", { createHTML: (html) => html })
  : { createHTML: (html) => html };

// Times ---------------------------------------------------------------------------------------------------------------

function roughly(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

// The server's clock is what times are held against.
let ahead = 0;

function countTimes(root) {
  const now = Date.now() + ahead;
  for (const t of root.querySelectorAll("time:not([data-as-is])")) {
    const seconds = (Date.parse(t.dateTime) - now) / 1000;
    if (Number.isNaN(seconds)) continue;
    let text = seconds > 0 ? `in ${roughly(seconds)}` : `${roughly(-seconds)} ago`;
    if (t.classList.contains("ttl")) text = seconds > 0 ? roughly(seconds) : "over";
    if (t.textContent !== text) t.textContent = text;
  }
}

// Copying -------------------------------------------------------------------------------------------------------------

function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const b of root.querySelectorAll("button.copy[hidden]")) b.hidden = false;
}

document.addEventListener("click", async (e) => {
  const button = e.target.closest("button.copy");
  if (!button) return;
  const label = button.firstChild;
  try {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    label.data = "copied";
  } catch {
    label.data = "cannot copy";
  }
  setTimeout(() => { label.data = "copy"; }, 1500);
});

// Charts --------------------------------------------------------------------------------------------------------------

// Colours that can be told apart by people who do not see all of them (Okabe and Ito), in pairs with dashes.
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c8c00", "#999999"];

// readTable gives uPlot's form of a table: a list of times, then one of numbers for each column.
function readTable(table, wanted) {
  const heads = [...table.tHead.rows[0].cells];
  const columns = heads.map((h, i) => i).filter((i) => i > 0 && (!wanted || wanted.includes(heads[i].dataset.column)));
  const rows = [...table.tBodies[0].rows].map((r) => [
    Date.parse(r.cells[0].querySelector("time").dateTime) / 1000,
    ...columns.map((i) => (r.cells[i].textContent === "" ? null : Number(r.cells[i].textContent))),
  ]);
  rows.sort((a, b) => a[0] - b[0]);
  return { names: columns.map((i) => heads[i].textContent), data: rows.length ? rows[0].map((_, i) => rows.map((r) => r[i])) : [] };
}

// moment writes a time as finely as a span of so many seconds needs it.
function moment(t, span) {
  const iso = new Date(t * 1000).toISOString();
  if (span > 5 * 86400) return iso.slice(0, 10);
  return span > 86400 ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, span > 600 ? 16 : 19);
}

// room is how wide the axis of values is: a large fleet has millions of questions.
const room = (u, values) => 32 + 7 * Math.max(4, ...(values ?? []).map((v) => `${v ?? ""}`.length));

function draw(place) {
  const table = document.getElementById(place.dataset.table);
  if (!table || !window.uPlot || place.dataset.drawn) return;
  const { names, data } = readTable(table, place.dataset.columns?.split(","));
  if (!data.length || data[0].length < 2) return;
  place.dataset.drawn = "yes";
  const style = getComputedStyle(document.body);
  const ink = style.getPropertyValue("color");
  const line = getComputedStyle(document.querySelector("header")).borderBottomColor;
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const size = () => ({ width: place.clientWidth, height: 240 });
  const plot = new uPlot({
    ...size(),
    scales: { y: { range: (u, min, max) => [0, max > 0 ? max * 1.05 : 1] } },
    axes: [{ ...axis, space: 90, values: (u, ticks) => ticks.map((t) => moment(t, data[0].at(-1) - data[0][0])) }, { ...axis, size: room }],
    series: [{ value: (u, v) => (v == null ? "–" : new Date(v * 1000).toISOString().slice(0, 16).replace("T", " ")) },
      ...names.map((label, i) => ({
        label, stroke: colours[i % colours.length], width: 2, spanGaps: true,
        dash: i < colours.length ? undefined : [6, 3],
        value: (u, v) => (v == null ? "–" : `${v}`),
      }))],
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
  }, data, place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${names.join(", ")} in ${place.dataset.unit}; the table holds the same`);
  new ResizeObserver(() => plot.setSize(size())).observe(place);
}

// Choosing a window in the timeline -----------------------------------------------------------------------------------

let brush = null;

document.addEventListener("pointerdown", (e) => {
  const svg = e.target.closest(".lane svg");
  if (!svg || e.button !== 0 || e.target.closest("a")) return;
  const lanes = svg.closest(".lanes");
  const mark = document.createElement("div");
  mark.className = "brush";
  brush = { lanes, svg: svg.getBoundingClientRect(), box: lanes.getBoundingClientRect(), from: e.clientX, mark };
});

document.addEventListener("pointermove", (e) => {
  if (!brush || Math.abs(e.clientX - brush.from) < 5) return;
  e.preventDefault();
  if (!brush.mark.parentNode) brush.lanes.append(brush.mark);
  const [a, b] = [brush.from, e.clientX].sort((x, y) => x - y);
  brush.mark.style.left = `${Math.max(a, brush.svg.left) - brush.box.left}px`;
  brush.mark.style.width = `${Math.min(b, brush.svg.right) - Math.max(a, brush.svg.left)}px`;
});

document.addEventListener("pointerup", (e) => {
  const it = brush;
  brush = null;
  if (!it || !it.mark.parentNode) return;
  it.mark.remove();
  const since = Date.parse(it.lanes.dataset.since);
  const until = Date.parse(it.lanes.dataset.until);
  const at = (x) => new Date(since + (until - since) * Math.min(Math.max((x - it.svg.left) / it.svg.width, 0), 1)).toISOString();
  const [a, b] = [it.from, e.clientX].sort((x, y) => x - y);
  const to = new URL(location.href);
  to.searchParams.set("record", document.querySelector("#timeline select[name=record]").value);
  to.searchParams.set("since", at(a));
  to.searchParams.set("until", at(b));
  to.hash = "timeline";
  location.assign(to);
});

// Following what happens ----------------------------------------------------------------------------------------------

const live = document.getElementById("live");
let fetching = false;
let again = false;
let rest = 1000;

// morphing keeps what the reader has opened, and what is being written.
const morphing = {
  morphStyle: "outerHTML",
  ignoreActiveValue: true,
  callbacks: {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") && !(name === "hidden" && node.matches("button.copy")),
  },
};

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  const began = performance.now();
  try {
    // The answer to a form that was refused stands at an address that only takes forms.
    const from = document.querySelector("[data-from]")?.dataset.from ?? location.href;
    const answer = await fetch(from, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    noteClock(answer);
    const page = new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = page.getElementById(part.id);
      if (next) Idiomorph.morph(part, next, morphing);
    }
    countTimes(document);
    offerCopies(document);
    say(`live, updated ${new Date(Date.now() + ahead).toISOString().slice(11, 19)} UTC`);
  } catch {
    say("cannot be updated now");
  }
  // A page that takes long to make is asked for less often.
  rest = Math.max(1000, 5 * (performance.now() - began));
  setTimeout(() => {
    fetching = false;
    if (again) {
      again = false;
      refresh();
    }
  }, rest);
}

function say(text) {
  if (live && live.textContent !== text) live.textContent = text;
}

function noteClock(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 5000) ahead = date - Date.now();
}

function follow() {
  if (!window.EventSource || !window.Idiomorph || !document.querySelector("[data-live]")) return;
  const events = new EventSource("/api/v1/events");
  events.addEventListener("open", () => say("live"));
  events.addEventListener("error", () => say("connection lost, trying again"));
  events.addEventListener("change", () => { if (!document.hidden) refresh(); else again = true; });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && again && !fetching) {
      again = false;
      refresh();
    }
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
}

countTimes(document);
offerCopies(document);
setInterval(() => countTimes(document), 1000);
for (const place of document.querySelectorAll(".chart")) draw(place);
follow();
