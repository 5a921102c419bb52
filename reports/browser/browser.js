// The list of all examples: filters, sorting, pages, one opened example, and all of that in the address.

const PAGE = matchMedia("(max-width: 46rem)").matches ? 15 : 50, ORDER = "bfwur";

class Browser {
  constructor(root, index) {
    this.root = root;
    this.index = index;
    this.texts = new Texts(index);
    this.entries = index.measurements.flatMap((each, measurement) =>
      Array.from(each.changes, (change, row) => ({ measurement, row, change })),
    );
    this.shown = this.entries;
    this.page = 0;
    this.open = null;
    this.ticket = 0;
    this.sort = { key: "change", down: false };
    this.controls = Object.fromEntries([...root.querySelectorAll("select, input")].map((each) => [each.name, each]));
  }

  measurement(entry) {
    return this.index.measurements[entry.measurement];
  }

  suite(entry) {
    return this.index.suites[this.measurement(entry).suite];
  }

  id(entry) {
    return this.suite(entry).ids[entry.row];
  }

  tags(entry) {
    return this.index.tags[this.suite(entry).tags[entry.row]];
  }

  cause(entry) {
    return this.index.causes[this.measurement(entry).causes[entry.row]];
  }

  say(name, text) {
    const place = this.root.querySelector(`[data-say=${name}]`);
    if (place.textContent !== visible(text)) place.textContent = visible(text);
  }

  /** Bring the list up to date with the filters; a later call overtakes an earlier one that still searches texts. */
  async apply() {
    const ticket = ++this.ticket;
    const wanted = this.filters();
    const fits = this.entries.filter((entry) => this.fits(entry, wanted));
    const found = wanted.text ? await this.containing(fits, wanted.text.toLowerCase(), ticket) : fits;
    if (ticket !== this.ticket) return;
    this.shown = this.sorted(found);
    this.page = Math.min(this.page, this.pages - 1);
    this.render();
  }

  get pages() {
    return Math.max(1, Math.ceil(this.shown.length / PAGE));
  }

  filters() {
    const names = ["model", "change", "suite", "cause", "tag", "text"];
    return Object.fromEntries(names.map((name) => [name, this.controls[name].value]));
  }

  fits(entry, wanted) {
    const measurement = this.measurement(entry);
    return (
      (!wanted.model || measurement.model === wanted.model) &&
      (!wanted.change || entry.change === wanted.change) &&
      (!wanted.suite || this.suite(entry).name === wanted.suite) &&
      (!wanted.cause || this.cause(entry) === wanted.cause) &&
      (!wanted.tag || this.tags(entry).includes(wanted.tag))
    );
  }

  async containing(entries, words, ticket) {
    const found = [];
    for (const [done, entry] of entries.entries()) {
      if (done % 5000 === 0) {
        this.say("count", `Searching, ${count(done)} of ${count(entries.length)}`);
        await new Promise((resume) => setTimeout(resume));
        if (ticket !== this.ticket) return found;
      }
      const named = [this.id(entry), this.cause(entry), ...this.tags(entry)];
      const hit = named.some((text) => text.toLowerCase().includes(words));
      if (hit || (await this.texts.contain(entry, words))) found.push(entry);
    }
    return found;
  }

  sorted(entries) {
    const keys = {
      id: (entry) => this.id(entry),
      change: (entry) => ORDER.indexOf(entry.change),
      suite: (entry) => this.measurement(entry).suite,
      cause: (entry) => this.cause(entry),
      tag: (entry) => this.tags(entry).join(" "),
    };
    const key = keys[this.sort.key], way = this.sort.down ? -1 : 1;
    const keyed = entries.map((entry) => [key(entry), entry]);
    keyed.sort(([left], [right]) => (left < right ? -way : left > right ? way : 0));
    return keyed.map(([, entry]) => entry);
  }

  render() {
    const some = this.shown.slice(this.page * PAGE, (this.page + 1) * PAGE);
    const texts = this.entries.filter((entry) => this.texts.has(entry)).length;
    const searched = this.controls.text.value && texts < this.entries.length;
    const where = searched ? ` Words were looked for in the texts of ${count(texts)} of them.` : "";
    this.say("count", `${count(this.shown.length)} of ${count(this.entries.length)} shown.${where}`);
    this.say("page", `Page ${count(this.page + 1)} of ${count(this.pages)}`);
    this.root.querySelector("[data-do=back]").disabled = this.page === 0;
    this.root.querySelector("[data-do=on]").disabled = this.page >= this.pages - 1;
    for (const head of this.root.querySelectorAll("th[data-key]")) {
      if (head.dataset.key !== this.sort.key) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
    }
    this.root.querySelector("tbody").replaceChildren(...some.map((entry) => this.line(entry)));
    if (this.open && some.includes(this.open)) this.unfold(this.open);
  }

  line(entry) {
    const { glyph, word } = outcome(entry.change, this.index.alone);
    const opener = button(this.id(entry).slice(0, 40) || "(empty id)", () => this.toggle(entry), { "aria-expanded": "false" });
    const change = [make("span", { "aria-hidden": "true" }, glyph), ` ${word}`];
    const several = !this.controls.model.closest("label").hidden && !this.controls.model.value;
    const model = several ? [make("span", { class: "metric" }, this.measurement(entry).model)] : [];
    const line = make(
      "tr",
      { class: `change-${entry.change}` },
      make("th", { scope: "row" }, opener),
      make("td", {}, ...change),
      make("td", {}, this.suite(entry).name, ...model),
      make("td", {}, code(this.cause(entry))),
      make("td", {}, ...this.tags(entry).flatMap((tag) => [make("span", { class: "tag" }, tag), " "])),
    );
    line.entry = entry;
    return line;
  }

  rowOf(entry) {
    return [...this.root.querySelectorAll("tbody > tr")].find((line) => line.entry === entry);
  }

  toggle(entry) {
    if (this.open === entry) this.close();
    else this.show(entry);
  }

  /** Open an example wherever it is: its page comes into view, and the focus goes to it. */
  async show(entry) {
    if (!this.shown.includes(entry)) await this.clear(entry);
    this.page = Math.floor(this.shown.indexOf(entry) / PAGE);
    this.open = entry;
    this.render();
    await this.unfolding;
    this.root.querySelector("article")?.focus({ preventScroll: true });
    this.rowOf(entry)?.scrollIntoView({ block: "start", behavior: "instant" });
    writeAddress(this);
  }

  unfold(entry) {
    const line = this.rowOf(entry);
    line.querySelector("button").setAttribute("aria-expanded", "true");
    const article = make("article", { tabindex: "-1", "aria-label": `Example ${this.id(entry).slice(0, 40)}` });
    line.after(make("tr", { class: "opened" }, make("td", { colspan: "5" }, article)));
    this.unfolding = this.fill(article, entry);
  }

  async fill(article, entry) {
    article.append(actions(this, entry));
    const names = { base: this.index.base, model: this.measurement(entry).model };
    try {
      const found = await this.texts.of(entry);
      const missing = "The texts of this example are in records.parquet, which lies beside this page. Load it above.";
      if (found) article.append(...exampleParts(found.record, found.own, names, this.id(entry).slice(0, 40)));
      else article.append(make("p", {}, missing));
    } catch (error) {
      article.append(make("p", {}, `The texts cannot be read: ${error.message}. Build the page again with tunegate report.`));
    }
  }

  close() {
    const line = this.open && this.rowOf(this.open);
    this.open = null;
    this.root.querySelector("tr.opened")?.remove();
    line?.querySelector("button").setAttribute("aria-expanded", "false");
    line?.querySelector("button").focus();
    writeAddress(this);
  }

  /** The next or previous example of the list, across pages. */
  step(way) {
    const place = this.open ? this.shown.indexOf(this.open) + way : 0;
    if (this.shown[place]) this.show(this.shown[place]);
  }

  turn(way) {
    this.page = Math.min(Math.max(this.page + way, 0), this.pages - 1);
    this.open = null;
    this.render();
    writeAddress(this);
  }

  /** Take all filters away, but for the candidate of an example that is to be seen. */
  async clear(entry = null) {
    for (const name of ["change", "suite", "cause", "tag", "text"]) this.controls[name].value = "";
    if (entry || this.controls.model.closest("label").hidden === false)
      this.controls.model.value = entry ? this.measurement(entry).model : this.index.foremost;
    this.page = 0;
    await this.apply();
  }
}
