// Puts life into the browser's frame when the index has been unpacked.

async function startBrowser() {
  const root = document.getElementById("browser");
  if (!root || !("DecompressionStream" in window)) return;
  const index = await unpack("browser-index");
  if (!index.measurements.length) return;
  const browser = new Browser(root, index);
  offer(browser);
  listen(browser);
  root.hidden = false;
  document.documentElement.classList.add("live");
  if (!(await readAddress(browser))) await browser.apply();
  root.dataset.ready = "true";
}

/** Fill the choices; a choice between fewer than two is not shown. */
function offer({ index, controls, entries }) {
  const models = [...new Set(index.measurements.map((each) => each.model))];
  controls.model.append(...models.map((name) => choice(name)), ...(models.length > 1 ? [choice("", "all")] : []));
  const letters = [...ORDER].filter((letter) => entries.some((entry) => entry.change === letter));
  controls.change.append(choice("", "all"), ...letters.map((letter) => choice(letter, outcome(letter, index.alone).word)));
  controls.suite.append(choice("", "all"), ...index.suites.map((each) => choice(each.name)));
  controls.cause.append(choice("", "all"), ...[...index.causes].sort().map((each) => choice(each)));
  controls.tag.append(choice("", "all"), ...[...new Set(index.tags.flat())].sort().map((each) => choice(each)));
  if (!models.includes(index.foremost)) index.foremost = models[0]; // a winner of which no example was measured
  controls.model.value = index.foremost;
  for (const control of Object.values(controls))
    if (control.tagName === "SELECT") control.closest("label").hidden = control.options.length < 3 && control.name !== "change";
  controls.model.closest("label").hidden = models.length < 2;
}

function choice(value, text = value) {
  const made = make("option", {}, text);
  made.value = value; // as it is, however it is shown
  return made;
}

function listen(browser) {
  const { root, controls } = browser;
  const restart = async () => {
    browser.page = 0;
    browser.open = null;
    await browser.apply();
    writeAddress(browser);
  };
  for (const select of root.querySelectorAll("select")) select.addEventListener("change", restart);
  let waiting = 0;
  controls.text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(restart, 200);
  });
  const buttons = { back: () => browser.turn(-1), on: () => browser.turn(1), clear: () => browser.clear().then(() => writeAddress(browser)) };
  for (const [name, act] of Object.entries(buttons)) root.querySelector(`[data-do=${name}]`).addEventListener("click", act);
  for (const head of root.querySelectorAll("th[data-key]")) sortBy(browser, head, restart);
  controls.sidecar?.addEventListener("change", () => takeSidecar(browser));
  controls.keys.checked = remembered("keys") !== "off";
  controls.keys.addEventListener("change", () => remember("keys", controls.keys.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => press(browser, event));
  window.addEventListener("hashchange", () => readAddress(browser));
}

function sortBy(browser, head, restart) {
  const label = head.textContent;
  head.replaceChildren(
    button(label, () => {
      const { key } = head.dataset;
      browser.sort = { key, down: browser.sort.key === key && !browser.sort.down };
      restart();
    }),
  );
}

async function takeSidecar(browser) {
  const [file] = browser.controls.sidecar.files;
  if (!file) return;
  try {
    await browser.texts.load(file);
    browser.say("sidecar", `All texts can be read from ${file.name}.`);
    await browser.apply();
  } catch (error) {
    browser.say("sidecar", `${file.name} was not loaded: ${error.message}.`);
  }
}

/** Single keys, which the reader can switch off, act only outside of fields; Esc closes whatever is open. */
function press(browser, event) {
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea");
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape" && browser.open) browser.close();
  else if (typing || !browser.controls.keys.checked) return;
  else if (event.key === "/") browser.controls.text.focus();
  else if (event.key === "j") browser.step(1);
  else if (event.key === "k") browser.step(-1);
  else return;
  event.preventDefault();
}
