// Tables that are wider than the page scroll in themselves: a shadow says on which side there is more.

/** Keeps the classes `before` and `after` of scrolling areas true. All are read before any is written: a page has hundreds. */
function showEdges(areas) {
  const mark = (some) => {
    const seen = some.map((area) => [area, Math.abs(area.scrollLeft), area.scrollWidth - area.clientWidth]);
    for (const [area, left, hidden] of seen) {
      area.classList.toggle("before", left > 1);
      area.classList.toggle("after", hidden - left > 1);
    }
  };
  const sizes = new ResizeObserver((changes) => mark(changes.map((change) => change.target)));
  for (const area of areas) {
    area.addEventListener("scroll", () => mark([area]), { passive: true });
    sizes.observe(area);
  }
}
