// A toast stays for six seconds, longer while someone points at it. The address forgets it, so that reloading
// does not say it again.

const seconds = 6;

function dismissLater(toast) {
  let timer = setTimeout(() => toast.remove(), seconds * 1000);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => { timer = setTimeout(() => toast.remove(), seconds * 1000); });
}

export function watchToasts() {
  for (const toast of document.querySelectorAll(".toast-line:not([data-seen])")) {
    toast.dataset.seen = "";
    dismissLater(toast);
    const address = new URL(location.href);
    address.searchParams.delete("done");
    address.searchParams.delete("on");
    history.replaceState(history.state, "", address);
  }
}
