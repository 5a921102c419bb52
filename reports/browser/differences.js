// What differs between two answers: word by word for text, field by field for JSON objects.

const MOST_WORDS = 600, MOST_FIELDS = 60, MOST_JSON = 20000;
const WORDS = /\s+|[\p{L}\p{N}\p{M}_]+|[^\s\p{L}\p{N}\p{M}_]/gu;

/** Both texts as [words, changed] stretches; longer than 600 differing words, each side is one changed stretch. */
function wordDiff(old, fresh) {
  const left = old.match(WORDS) ?? [], right = fresh.match(WORDS) ?? [];
  let head = 0, tail = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head++;
  while (tail < left.length - head && tail < right.length - head && left.at(-1 - tail) === right.at(-1 - tail)) tail++;
  const middle = [left.slice(head, left.length - tail), right.slice(head, right.length - tail)];
  const kept = Math.max(...middle.map((words) => words.length)) > MOST_WORDS ? [[], []] : common(...middle);
  return [left, right].map((words, side) => {
    const inside = new Set(kept[side]);
    const changed = (place) => place >= head && place < words.length - tail && !inside.has(place - head);
    return stretches(words, changed);
  });
}

/** Places, in each of two lists, of a longest common subsequence. */
function common(left, right) {
  const width = right.length + 1;
  const longest = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      longest[i * width + j] =
        left[i] === right[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const places = [[], []];
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    if (left[i] === right[j]) {
      places[0].push(i++);
      places[1].push(j++);
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
    else j++;
  }
  return places;
}

function stretches(words, changed) {
  const found = [];
  words.forEach((word, place) => {
    if (found.length && found.at(-1)[1] === changed(place)) found.at(-1)[0] += word;
    else found.push([word, changed(place)]);
  });
  return found;
}

/** [pointer, reference, base, candidate] for each leaf, as JSON text or null where absent; empty unless all are objects. */
function fieldDiff(reference, base, candidate) {
  const sides = [reference, base, candidate].map(leaves);
  if (sides.some((side) => !side.size)) return [];
  const pointers = [...new Set(sides.flatMap((side) => [...side.keys()]))].slice(0, MOST_FIELDS);
  return pointers.map((pointer) => [pointer, ...sides.map((side) => side.get(pointer) ?? null)]);
}

function leaves(text) {
  const found = new Map();
  try {
    // a number keeps the digits that it was written with, where the browser hands them over
    const exact = (_, value, context) => (typeof value === "number" ? new Digits(context?.source ?? String(value)) : value);
    const value = text.length > MOST_JSON ? null : JSON.parse(text, exact);
    if (value && !Array.isArray(value) && typeof value === "object" && !(value instanceof Digits)) walk(value, "", found);
  } catch {
    return new Map(); // not JSON, or nested too deep: nothing to compare by field
  }
  return found;
}

class Digits {
  constructor(text) {
    this.text = text;
  }
}

function walk(value, pointer, found) {
  if (value instanceof Digits) found.set(pointer, value.text);
  else if (value && typeof value === "object" && Object.keys(value).length)
    for (const [key, part] of Object.entries(value))
      walk(part, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, found);
  else found.set(pointer, JSON.stringify(value));
}
