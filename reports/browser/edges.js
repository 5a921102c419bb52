// Tables that are wider than the page scroll in themselves: a shadow says on which side there is more.

/** Keeps the classes `before` and `after` of a scrolling area true. */
function showEdges(area) {
  const mark = () => {
    const left = Math.abs(area.scrollLeft), hidden = area.scrollWidth - area.clientWidth;
    area.classList.toggle("before", left > 1);
    area.classList.toggle("after", hidden - left > 1);
  };
  area.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(area);
  mark();
}
