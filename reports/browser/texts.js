// Where an example's texts come from: the page's own chunks, or records.parquet once the reader has chosen it.

class Texts {
  constructor(index) {
    this.index = index;
    this.chunks = new Map();
    this.sidecar = null;
  }

  /** Whether the texts of this example can be had now. */
  has(entry) {
    return this.sidecar !== null || this.chunkOf(entry) >= 0;
  }

  chunkOf(entry) {
    return this.index.suites[this.index.measurements[entry.measurement].suite].chunk[entry.row];
  }

  /** Take the texts from a file; throws with a sentence when it is not this run's. */
  async load(file) {
    const sidecar = await Sidecar.open(file);
    const rows = this.index.measurements.reduce((sum, each) => sum + each.changes.length, 0);
    if (sidecar.identity !== this.index.identity || sidecar.rows !== rows)
      throw new Error("it holds the records of another run; choose the one that lies beside this page");
    await sidecar.row(0);
    this.sidecar = sidecar;
  }

  /** What the model was asked, both answers and their scores; null when they are neither in the page nor loaded. */
  async of(entry) {
    const number = this.chunkOf(entry);
    if (number >= 0) {
      const { suite } = this.index.measurements[entry.measurement];
      const record = (await this.chunk(number)).get(`${suite} ${entry.row}`);
      return { record, own: record.candidates[entry.measurement] ?? null };
    }
    return this.sidecar && this.fromSidecar(entry);
  }

  chunk(number) {
    if (!this.chunks.has(number))
      this.chunks.set(
        number,
        unpack(`browser-texts-${number}`).then(
          (rows) => new Map(rows.map(([suite, row, record]) => [`${suite} ${row}`, record])),
        ),
      );
    return this.chunks.get(number);
  }

  async fromSidecar(entry) {
    const row = await this.sidecar.row(this.index.measurements[entry.measurement].first + entry.row);
    const side = (name) => ({
      output: short(row[`${name}_output`]),
      finish: row[`${name}_finish`],
      tokens: row[`${name}_tokens`],
      ms: row[`${name}_ms`],
      scores: JSON.parse(row[`${name}_scores`]).map(([metric, value, answer, ...why]) => [metric, value, answer && short(answer), ...why]),
      judge: JSON.parse(row[`${name}_judge`]),
    });
    const record = { prompt: short(row.prompt), target: short(row.target), base: side("base") };
    return { record, own: this.index.alone ? null : side("candidate") };
  }

  /** Whether the words, in small letters, stand in any text of the example. */
  async contain(entry, words) {
    const found = await this.of(entry);
    if (!found) return false;
    const { record, own } = found;
    const texts = [record.prompt, record.target, record.base.output, own?.output ?? ""];
    return texts.some((text) => whole(text)[0].toLowerCase().includes(words));
  }
}

function short(text) {
  return text.length > 10000 ? [text.slice(0, 10000), text.length - 10000] : text;
}
