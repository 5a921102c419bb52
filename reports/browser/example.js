// One opened example: prompt, reference, both answers with what differs, scores, the judge's words, lengths.

const GLYPHS = { b: "▼", f: "▲", w: "✗", u: "?", r: "✓" };

/** The word for what became of an example, with its glyph; a run of the base alone is only right or wrong. */
function outcome(letter, alone) {
  const words = { b: "broken", f: "fixed", w: alone ? "wrong" : "both wrong", u: "unscored", r: alone ? "right" : "both right" };
  return { glyph: GLYPHS[letter], word: words[letter] };
}

/** A text, or [its beginning, characters left out]. */
function whole(text) {
  return Array.isArray(text) ? text : [text, 0];
}

function block(title, text, note = "") {
  const [shown, more] = whole(text);
  return section(title, note, [[shown, false]], more, "");
}

function section(title, note, parts, more, mark) {
  const words = parts.map(([words, changed]) => (changed && mark ? make(mark, {}, words) : words));
  const made = make("section", { class: "answer" }, heading(title, note), pre(...words));
  if (more) made.append(make("p", { class: "muted" }, `${count(more)} more characters are in the records.`));
  return made;
}

function heading(title, note) {
  return make("h5", {}, title, ...(note ? [" ", make("span", { class: "muted" }, note)] : []));
}

function pre(...parts) {
  return make("pre", { dir: "auto", translate: "no", tabindex: "0" }, ...parts);
}

function code(text) {
  return make("code", { dir: "auto", translate: "no" }, text);
}

function facts(side) {
  const cut = side.finish === "length" ? "cut at the limit" : side.finish;
  const took = side.ms < 0 ? "" : ` · ${side.ms < 1000 ? `${side.ms} ms` : `${(side.ms / 1000).toFixed(1)} s`}`;
  return `${count(side.tokens)} tokens · ${cut}${took}`;
}

/** Base and candidate beside each other, words that only one has marked; `own` is null in a run of the base alone. */
function sides(record, own, names) {
  const [old, more] = whole(record.base.output);
  if (!own)
    return make("div", { class: "sides single" }, section(names.base, facts(record.base), [[old, false]], more, ""));
  const [fresh, ownMore] = whole(own.output);
  const [left, right] = wordDiff(old, fresh);
  return make(
    "div",
    { class: "sides" },
    section(names.base, facts(record.base), left, more, "del"),
    section(names.model, facts(own), right, ownMore, "ins"),
  );
}

function table(name, heads, rows, css = "") {
  const head = make("tr", {}, ...heads.map((each) => make("th", { scope: "col" }, each)));
  const made = make("table", { class: css }, make("thead", {}, head), make("tbody", {}, ...rows));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, made);
}

function fields(record, own, id) {
  const texts = [record.target, record.base.output, (own ?? record.base).output];
  if (texts.some((text) => whole(text)[1])) return null;
  const found = fieldDiff(...texts);
  if (!found.length) return null;
  const value = (text, reference) => {
    const same = text === reference;
    const said = make("span", { class: "hidden" }, same ? "same as the reference:" : "differs:");
    const glyph = make("span", { "aria-hidden": "true" }, same ? "✓" : "✗");
    return make("td", { class: same ? "same" : "differs" }, glyph, said, " ", code(text ?? "absent"));
  };
  const rows = found.map(([pointer, reference, base, candidate]) => {
    const cells = [make("td", {}, code(reference ?? "absent")), value(base, reference)];
    if (own) cells.push(value(candidate, reference));
    return make("tr", {}, make("th", { scope: "row" }, code(pointer)), ...cells);
  });
  return table(`Fields of ${id}`, ["Field", "Reference", "Base", ...(own ? ["Candidate"] : [])], rows, "fields");
}

function scores(record, own, id) {
  const value = (score, output) => {
    if (!score) return make("td", {}, "–");
    const shown = make("td", {}, score[1] === null ? "unscored" : String(score[1]), " · ", code(score[3]));
    if (score[4]) shown.append(" at ", code(score[4]));
    const [answer, more] = whole(score[2] ?? output);
    const read = answer.length > 200 || more ? `${answer.slice(0, 200)}…` : answer;
    if (score[2] !== null && read) shown.append(" · read as ", code(read));
    return shown;
  };
  const rows = record.base.scores.map((score, place) => {
    const cells = [value(score, record.base.output)];
    if (own) cells.push(value(own.scores[place], own.output));
    return make("tr", {}, make("th", { scope: "row" }, score[0]), ...cells);
  });
  return table(`Scores of ${id}`, ["Metric", "Base", ...(own ? ["Candidate"] : [])], rows, "fields");
}

function judged(record, own, names) {
  const said = [[names.base, record.base], ...(own ? [[names.model, own]] : [])];
  return said.flatMap(([name, side]) =>
    side.judge.map(([question, decision, reasons]) => block(`Judge on ${name}`, reasons, `${question}: ${decision}`)),
  );
}

/** Everything that is known of one example, as elements. `names` are those of base and model. */
function exampleParts(record, own, names, id) {
  const prompt = make("details", {}, make("summary", {}, "Prompt"));
  const [shown, more] = whole(record.prompt);
  prompt.append(pre(shown));
  if (more) prompt.append(make("p", { class: "muted" }, `${count(more)} more characters are in the records.`));
  const parts = [prompt, fields(record, own, id) ?? block("Reference", record.target), sides(record, own, names)];
  return [...parts, scores(record, own, id), ...judged(record, own, names)];
}
