// Text that others wrote reaches the page here only, as text nodes, with every hidden character shown.

const UNSEEN = new RegExp(
  "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufe00-\\ufe0e\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff" +
    "\\u{e0000}-\\u{e0fff}]",
  "gu",
);

/** Same as `visible` of reports/texts.py: controls, bidirectional marks and lone surrogates become glyphs. */
function visible(text) {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** A new element. Attributes are ours; children are elements, or text that becomes visible text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, visible(String(value)));
  element.append(...children.map((child) => (typeof child === "string" ? visible(child) : child)));
  return element;
}

/** A button that does one thing. */
function button(label, act, attributes = {}) {
  const made = make("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

/** `12345` as `12,345`. */
function count(number) {
  return number.toLocaleString("en");
}

/** Remember a choice of the reader, where the browser lets a page from disk do so. */
function remember(name, value) {
  try {
    localStorage.setItem(`tunegate-${name}`, value);
  } catch {
    // a page from disk may be forbidden to keep anything; then the choice lasts as long as the page
  }
}

/** What was remembered, or null. */
function remembered(name) {
  try {
    return localStorage.getItem(`tunegate-${name}`);
  } catch {
    return null;
  }
}

/** Put text on the clipboard, and say on the button that it is there. */
async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { class: "hidden", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    from.focus();
  }
  const label = from.dataset.label ?? from.textContent;
  from.dataset.label = label;
  from.textContent = "Copied";
  setTimeout(() => (from.textContent = label), 1500);
}
