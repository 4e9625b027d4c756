// Show and hide a password, and say whether it is long enough while it is typed.

function count(input) {
  const hint = document.getElementById(input.dataset.lengthHint);
  const least = Number(input.minLength);
  const length = [...input.value].length;
  hint.classList.toggle("met", length >= least);
  hint.querySelector("[data-words]").textContent =
    length === 0 ? `At least ${least} characters.`
      : length >= least ? `${length} characters: long enough.`
        : `${length} of at least ${least} characters.`;
  hint.querySelector("svg").toggleAttribute("hidden", length < least);
}

export function watchPasswords() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const input = document.getElementById(button.dataset.reveal);
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    for (const icon of button.querySelectorAll("svg")) icon.toggleAttribute("hidden");
  });
  document.addEventListener("input", (event) => {
    if (event.target.dataset?.lengthHint) count(event.target);
  });
}
