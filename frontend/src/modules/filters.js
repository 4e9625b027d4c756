// Filters are a form that is sent when one of them changes. htmx sends the search as it is typed.

export function watchFilters() {
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });
}

// Fields that only one choice needs: <select data-shows id="on"> shows what is data-shown-by="on" at its value.
export function watchChoices() {
  for (const select of document.querySelectorAll("select[data-shows]:not([data-seen])")) {
    select.dataset.seen = "";
    const show = () => {
      for (const part of document.querySelectorAll(`[data-shown-by="${select.id}"]`)) {
        part.toggleAttribute("hidden", part.dataset.shownAt !== select.value);
      }
    };
    select.addEventListener("change", show);
    show();
  }
}
