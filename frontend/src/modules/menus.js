// Menus are <details class="menu">, so they open without this. Here: one at a time, closed by Escape or by a
// click elsewhere, arrow keys inside. A field with data-finds="id" leaves those lines of that list that have its words.

const openMenus = () => document.querySelectorAll("details.menu[open]");

function move(menu, step) {
  const items = [...menu.querySelectorAll(".menu-list :is(a, button, input[type='search'])")].filter((item) => !item.closest("[hidden]"));
  const at = items.indexOf(document.activeElement);
  items.at((at + step + items.length) % items.length)?.focus();
}

export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      if (!menu.contains(event.target) || event.target.closest("[data-opens]")) menu.open = false;
    }
  });
  document.addEventListener("input", ({ target }) => {
    if (!target.dataset?.finds) return;
    const words = target.value.trim().toLowerCase();
    for (const line of document.getElementById(target.dataset.finds).children) {
      line.hidden = !line.textContent.toLowerCase().includes(words);
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(menu, event.key === "ArrowDown" ? 1 : -1);
    }
  });
}
