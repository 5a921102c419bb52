// What is seen stands in the page's address: `#s-<suite>-<id>` for an open example, and filters, sorting and page.

/** The name of an example in a link, as reports/texts.py makes it. */
function linkName(browser, entry) {
  const suite = browser.suite(entry);
  return `s-${suite.slug}-${suite.odd[entry.row] ?? suite.ids[entry.row]}`;
}

function linkOf(browser, entry) {
  const model = browser.measurement(entry).model;
  const first = browser.index.foremost === model;
  return `#${linkName(browser, entry)}${first ? "" : `?${new URLSearchParams({ model })}`}`;
}

function writeAddress(browser) {
  const { sort, page, open, index } = browser;
  const chosen = Object.entries(browser.filters()).filter(([, value]) => value);
  const parameters = new URLSearchParams(chosen.filter(([name, value]) => name !== "model" || value !== index.foremost));
  if (sort.key !== "change" || sort.down) parameters.set("sort", `${sort.down ? "-" : ""}${sort.key}`);
  if (page && !open) parameters.set("page", page + 1);
  const query = String(parameters);
  const hash = `#${open ? linkName(browser, open) : "flips"}${query ? `?${query}` : ""}`;
  if (hash === "#flips" && !/^#(flips|s-)/.test(location.hash)) return;
  history.replaceState(null, "", hash);
}

/** Show what the address asks for; whether it asked for anything of the browser. */
async function readAddress(browser) {
  const [, target, query] = /^#(flips|s-[^?]*)(?:\?(.*))?$/s.exec(location.hash) ?? [];
  if (!target || (target === "flips" && !query)) return false;
  const parameters = new URLSearchParams(query);
  for (const name of ["model", "change", "suite", "cause", "tag", "text"]) {
    const usual = name === "model" ? browser.index.foremost : "";
    browser.controls[name].value = parameters.get(name) ?? usual;
    if (browser.controls[name].selectedIndex === -1) browser.controls[name].value = usual;
  }
  const sort = parameters.get("sort") ?? "change";
  const key = sort.replace("-", "");
  if (["id", "change", "suite", "cause", "tag"].includes(key)) browser.sort = { key, down: sort.startsWith("-") };
  browser.page = Math.max(0, (Number.parseInt(parameters.get("page") ?? "1", 10) || 1) - 1);
  browser.open = null;
  await browser.apply();
  const entry = target === "flips" ? null : named(browser, target, browser.controls.model.value);
  if (entry) await browser.show(entry);
  else if (target !== "flips") browser.say("sidecar", "No example of this page has the name in the address.");
  if (!entry) document.getElementById("flips").scrollIntoView({ behavior: "instant" });
  return true;
}

function named(browser, target, model) {
  const right = (entry) => linkName(browser, entry) === target;
  const own = browser.entries.find((entry) => right(entry) && (!model || browser.measurement(entry).model === model));
  return own ?? browser.entries.find(right);
}

/** What can be done with an open example: go on, copy a link, pin it as a regression case, close it. */
function actions(browser, entry) {
  const { place } = browser.index;
  const link = () => `${location.href.split("#")[0]}${linkOf(browser, entry)}`;
  const bar = make(
    "div",
    { class: "actions" },
    button("Previous", () => browser.step(-1)),
    button("Next", () => browser.step(1)),
    button("Copy link", (event) => copy(link(), event.target)),
  );
  if (entry.change === "b") {
    const suite = browser.suite(entry).name;
    const words = [place, `--id=${browser.id(entry)}`, `--suite=${suite}`, "--owner=NAME", "--reason=TEXT"];
    const command = ["tunegate regression add", ...words.map(quoted)].join(" ");
    bar.append(button("Copy as regression case", (event) => copy(command, event.target), { title: command }));
  }
  bar.append(button("Close", () => browser.close()), make("code", {}, browser.id(entry)));
  return bar;
}

/** One word of a POSIX shell's command line, whatever it holds; nothing in it can move a terminal's cursor. */
function quoted(word) {
  if (/^[\w./=:@%+-]+$/.test(word)) return word;
  if (/^[\x20-\x7e]+$/.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const bytes = [...new TextEncoder().encode(word)];
  return `$'${bytes.map((byte) => (/[\w./=:@%+ -]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`)).join("")}'`;
}
