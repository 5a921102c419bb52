// A point of a sweep is a row of the table and a line of the picture: to look at one shows the other; to press keeps it.

/** Marks everything that is of the points looked at or kept, and lets the lines of all others fade. */
function linkPoints(section) {
  const parts = [...section.querySelectorAll("[data-point]")];
  const rows = parts.filter((part) => part.matches("tr"));
  const kept = new Set();
  let seen = "";
  const show = () => {
    for (const part of parts) part.classList.toggle("linked", part.dataset.point === seen || kept.has(part.dataset.point));
    for (const row of rows) row.setAttribute("aria-selected", String(kept.has(row.dataset.point)));
    section.classList.toggle("linking", seen !== "" || kept.size > 0);
  };
  const look = (point) => () => { seen = point; show(); };
  const keep = (point) => () => { if (!kept.delete(point)) kept.add(point); show(); };
  for (const part of parts) {
    const { point } = part.dataset;
    for (const event of ["mouseenter", "focusin"]) part.addEventListener(event, look(point));
    for (const event of ["mouseleave", "focusout"]) part.addEventListener(event, look(""));
    part.addEventListener("click", keep(point));
    if (!part.matches("tr")) continue;
    part.tabIndex = 0;
    part.addEventListener("keydown", (event) => {
      if (event.target === part && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); keep(point)(); }
    });
  }
}
