// On set-up: choose this browser's time zone, and say what time it is there.

function now(zone) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(new Date());
}

export function watchTimeZone() {
  const select = document.querySelector("select[data-time-zone]");
  if (!select || "seen" in select.dataset) return;
  select.dataset.seen = "";
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...select.options].some((option) => option.value === here);
  if (known && select.dataset.timeZone === "guess") select.value = here;
  const clock = document.getElementById("time-zone-now");
  const show = () => { clock.textContent = `${now(select.value)} now`; };
  select.addEventListener("change", show);
  show();
}
