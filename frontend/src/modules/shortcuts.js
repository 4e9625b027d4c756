// `/` searches, `c` creates, `?` lists the shortcuts. Never while someone types, and never with a modifier.

const actions = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  c: () => document.querySelector("[data-create]")?.click(),
  "?": () => showList(),
};

function showList() {
  const list = document.getElementById("shortcuts");
  if (list && !list.open) list.showModal();
}

export function watchShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    if (document.querySelector("dialog:modal")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-show-shortcuts]")) showList();
  });
}
