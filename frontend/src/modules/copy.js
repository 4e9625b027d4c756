// Copy buttons: <button data-copy="#id"> copies the text of that element.
// Works where navigator.clipboard does not exist (plain http): then by a selected text area.

async function copy(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text, near);
  }
}

function copyBySelection(text, near) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  area.setAttribute("readonly", "");
  // Inside the dialog, because everything outside of a modal dialog is inert.
  (near.closest("dialog") ?? document.body).append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  area.remove();
  near.focus();
  return done;
}

function say(button, words) {
  const label = button.querySelector("[data-words]");
  button.dataset.usual ??= label.textContent;
  label.textContent = words;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = String(setTimeout(() => { label.textContent = button.dataset.usual; }, 2000));
}

export function watchCopyButtons() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = [...document.querySelectorAll(button.dataset.copy)].find((found) => found.checkVisibility());
    if (!source) return;
    const copied = await copy(source.textContent.trim(), button);
    say(button, copied ? "Copied" : "Select and copy it by hand");
    // From here on Escape may close a dialog that shows a secret.
    if (copied && "holdsSecret" in source.dataset) button.closest("dialog")?.setAttribute("data-stored", "");
  });
}
