// For every table and command of the page: sorting by a column, copying; and light or dark as the reader likes.

/** Tables whose rows stand alone get a button in each head. */
function sortable(table) {
  const [body] = table.tBodies;
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  const rows = [...(body?.rows ?? [])];
  const plain = rows.length > 1 && rows.every((row) => row.cells.length === heads.length && !row.classList.contains("above"));
  if (!plain || table.tHead.rows.length !== 1 || table.matches(".fields, .examples")) return;
  heads.forEach((head, column) => {
    const act = () => arrange(body, heads, head, column);
    const shown = [...head.childNodes];
    head.replaceChildren(button("", act));
    head.firstChild.append(...shown);
  });
}

function arrange(body, heads, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([one], [other]) => order(one, other, down ? -1 : 1));
  body.append(...keyed.map(([, row]) => row));
}

/** Rows without a figure stay last, whichever way. */
function order(one, other, way) {
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number" && typeof other === "number") return way * (one - other);
  return way * String(one).localeCompare(String(other), "en", { numeric: true });
}

const UNITS = { h: 3600, min: 60, s: 1, GB: 1e9, MB: 1e6, kB: 1e3 };

/** A figure as a number, durations in seconds and sizes in bytes; other text as it is; null for what was not measured. */
function sortKey(cell) {
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const own = cell.cloneNode(true);
  for (const part of own.querySelectorAll(".metric, .hidden, [aria-hidden]")) part.remove();
  const text = own.textContent.trim();
  if (!text || text === "–" || text === "not measured") return null;
  const plain = text.replaceAll(",", "").replaceAll("−", "-");
  const timed = [...plain.matchAll(/(\d+(?:\.\d+)?) (h|min|s|GB|MB|kB)\b/g)];
  if (timed.length) return timed.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
  const number = /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=$|[\s%(/])/.exec(plain);
  return number ? Number(number[0]) : text;
}

/** Commands can be copied with one press. */
function copyable(command) {
  command.after(button("Copy", (event) => copy(command.textContent, event.target), { class: "copy" }));
}

const THEMES = ["auto", "light", "dark"];

const RULES = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
const DARK = RULES.filter((rule) => rule instanceof CSSMediaRule && /prefers-color-scheme: dark/.test(rule.media.mediaText));
const ROOT = RULES.find((rule) => rule.selectorText === ":root");

/** Light, dark, or as the system has it. The style sheet's own rules do the work: only their conditions change. */
function theme(choice) {
  const query = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "screen" }[choice];
  for (const rule of DARK) rule.media.mediaText = query;
  ROOT?.style.setProperty("color-scheme", choice === "auto" ? "light dark" : choice);
}

function offerThemes() {
  let choice = THEMES.includes(remembered("theme")) ? remembered("theme") : "auto";
  const label = () => `Colours: ${choice}`;
  const next = button(label(), () => {
    choice = THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length];
    remember("theme", choice);
    theme(choice);
    next.textContent = label();
  }, { class: "theme" });
  if (choice !== "auto") theme(choice);
  document.querySelector("body > header")?.prepend(next);
}

offerThemes();
document.querySelectorAll("section#sweep table.points").forEach(choosable);
document.querySelectorAll("main table").forEach(sortable);
document.querySelectorAll("pre.command").forEach(copyable);
showEdges(document.querySelectorAll(".scroll"));
document.querySelectorAll("section#sweep").forEach(linkPoints);
startBrowser();
