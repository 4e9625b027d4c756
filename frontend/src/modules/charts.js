// Charts are loaded only on pages that have one. Without them the table of the same numbers stands there.

export function watchCharts() {
  for (const figure of document.querySelectorAll("[data-chart]:not([data-seen])")) {
    figure.dataset.seen = "";
    import("./plot.js").then(({ draw }) => draw(figure));
  }
}
