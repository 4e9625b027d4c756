// Filters are a form that is sent when one of them changes. htmx sends the search as it is typed.

export function watchFilters() {
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });
}
