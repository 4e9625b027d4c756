// Sheets and dialogs. The server sends them open, as plain boxes; here they become modal, take the focus,
// and give it back to what opened them. A dialog with data-keep does not close by Escape or a click outside
// until its secret was copied (data-stored) or its button was pressed.

import htmx from "htmx.org";

let opener = null;

function close(dialog) {
  dialog.close();
}

function mayClose(dialog) {
  return !("keep" in dialog.dataset) || "stored" in dialog.dataset;
}

function makeModal(dialog) {
  // Not close(): its event comes later, and would be taken for a person's.
  dialog.removeAttribute("open");
  dialog.showModal();
  (dialog.querySelector("[aria-invalid='true']") ?? dialog.querySelector("[autofocus]"))?.focus();

  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !mayClose(dialog)) event.preventDefault();
  });
  dialog.addEventListener("cancel", (event) => {
    if (!mayClose(dialog)) event.preventDefault();
  });
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog && isOutside(event, dialog) && mayClose(dialog)) close(dialog);
  });
  dialog.addEventListener("close", () => leave(dialog));
}

function isOutside(event, dialog) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

function leave(dialog) {
  if (opener?.isConnected) {
    dialog.remove();
    opener.focus();
    refresh(dialog);
    opener = null;
    return;
  }
  // The page was loaded with the dialog open: its own address leads on.
  location.assign(dialog.dataset.leadsTo ?? location.pathname);
}

// While a dialog was open its key may have been used: the list behind is asked for again.
function refresh({ dataset: { refreshes, leadsTo } }) {
  if (refreshes) htmx.ajax("GET", leadsTo, { target: refreshes, select: refreshes, swap: "outerHTML" });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-opens]");
  if (link) opener = link.closest("details.menu")?.querySelector("summary") ?? link;

  const closer = event.target.closest("[data-close]");
  const dialog = closer?.closest("dialog");
  if (dialog?.matches(":modal") && opener?.isConnected) {
    event.preventDefault();
    close(dialog);
  }
});

export function watchOverlays() {
  for (const dialog of document.querySelectorAll("dialog.overlay[open]:not(:modal)")) makeModal(dialog);
}
