// A wide table of a sweep: the reader chooses which of its columns to see.

/** A box for each column but the first, in a fold above the table. */
function choosable(table) {
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const boxes = heads.map((head, at) => {
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => {
      for (const row of table.rows) row.cells[at + 1].hidden = !box.checked;
    });
    const words = [...head.childNodes].map((part) => part.textContent.trim());
    return make("label", {}, box, ` ${words.filter(Boolean).join(" ")}`);
  });
  table.closest(".scroll").before(make("details", { class: "columns" }, make("summary", {}, "Columns"), ...boxes));
}
