// On a phone the menu of the settings is a line that scrolls: it begins with the present entry in its middle.

export function showPresentEntry() {
  const present = document.querySelector(".settings-menu [aria-current='page']");
  if (!present) return;
  const menu = present.closest(".settings-menu");
  const [entry, line] = [present.getBoundingClientRect(), menu.getBoundingClientRect()];
  menu.scrollLeft += entry.left + entry.width / 2 - (line.left + line.width / 2);
}
