// Reads records.parquet as reports/browser/sidecar.py writes it, one group of rows at a time; no other Parquet file.

const GZIP = 2, PLAIN = 0, INT32 = 1, BYTE_ARRAY = 6, DATA_PAGE = 0;

/** Values in Thrift's compact protocol, which Parquet describes itself with: structs become {field number: value}. */
class Thrift {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  unsigned() {
    for (let value = 0, scale = 1; ; scale *= 128) {
      if (this.at >= this.bytes.length) throw new Error("it ends too early");
      const byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  signed() {
    const value = this.unsigned();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }

  text() {
    const length = this.unsigned();
    return new TextDecoder().decode(this.bytes.subarray(this.at, (this.at += length)));
  }

  list() {
    const head = this.bytes[this.at++];
    const length = head >> 4 === 15 ? this.unsigned() : head >> 4;
    if (length > this.bytes.length) throw new Error("a list is longer than the file");
    return Array.from({ length }, () => this.value(head & 15));
  }

  struct() {
    const fields = {};
    for (let number = 0; ; ) {
      const head = this.bytes[this.at++];
      if (!head) return fields;
      number = head >> 4 ? number + (head >> 4) : this.signed();
      fields[number] = (head & 15) < 3 ? (head & 15) === 1 : this.value(head & 15);
    }
  }

  value(type) {
    if (type < 3) return this.bytes[this.at++] === 1;
    if (type === 3) return this.bytes[this.at++];
    if (type < 7) return this.signed();
    if (type === 8) return this.text();
    if (type === 9 || type === 10) return this.list();
    if (type === 12) return this.struct();
    throw new Error("it holds a value of an unknown kind");
  }
}

/** The file beside the page. Opening it reads its end only; each group of rows is read when one of them is asked for. */
class Sidecar {
  static async open(file) {
    const tail = new Uint8Array(await file.slice(-8).arrayBuffer());
    if (new TextDecoder().decode(tail.subarray(4)) !== "PAR1") throw new Error("it is no Parquet file");
    const length = new DataView(tail.buffer).getUint32(0, true);
    const footer = new Thrift(new Uint8Array(await file.slice(-8 - length, -8).arrayBuffer())).struct();
    const sidecar = new Sidecar();
    sidecar.file = file;
    sidecar.rows = footer[3];
    sidecar.identity = (footer[5] ?? []).find((pair) => pair[1] === "tunegate")?.[2] ?? "";
    let first = 0;
    sidecar.groups = footer[4].map((group) => ({ first, columns: group[1], rows: (first += group[3]) && group[3] }));
    sidecar.read = new Map();
    return sidecar;
  }

  /** One row as {column: value}. */
  async row(number) {
    const group = this.groups.findLast((each) => each.first <= number);
    const columns = await this.columns(group);
    return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[number - group.first]]));
  }

  async columns(group) {
    if (!this.read.has(group.first)) {
      if (this.read.size >= 3) this.read.delete(this.read.keys().next().value);
      this.read.set(group.first, this.decode(group));
    }
    return this.read.get(group.first);
  }

  async decode(group) {
    const named = group.columns.map(async (each) => [each[3][3].join("."), await this.column(each[3], group.rows)]);
    return Object.fromEntries(await Promise.all(named));
  }

  async column(about, rows) {
    if (about[4] !== GZIP || ![INT32, BYTE_ARRAY].includes(about[1])) throw new Error("another program wrote it");
    const bytes = new Uint8Array(await this.file.slice(about[9], about[9] + about[7]).arrayBuffer());
    const reader = new Thrift(bytes);
    const values = [];
    while (values.length < rows) {
      const head = reader.struct();
      if (head[1] !== DATA_PAGE || head[5][2] !== PLAIN) throw new Error("another program wrote it");
      const page = await gunzip(bytes.subarray(reader.at, (reader.at += head[3])));
      for (const value of about[1] === INT32 ? numbers(page, head[5][1]) : texts(page, head[5][1])) values.push(value);
    }
    return values;
  }
}

function numbers(page, length) {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  return Array.from({ length }, (_, place) => view.getInt32(4 * place, true));
}

function texts(page, length) {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const decoder = new TextDecoder();
  let at = 0;
  return Array.from({ length }, () => {
    const start = at + 4;
    at = start + view.getUint32(at, true);
    return decoder.decode(page.subarray(start, at));
  });
}
