// The sentence at the foot of the create sheet: what the key may do, in plain words, as the form is filled in.

const units = { minute: "a minute", day: "a day", week: "a week", month: "a month", total: "in all" };
const day = 86_400_000;

const bold = (text) => {
  const strong = document.createElement("b");
  strong.textContent = text;
  return strong;
};

function join(parts, last = "and") {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [at === parts.length - 1 ? ` ${last} ` : ", ", part]));
}

function may(form) {
  const chosen = form.querySelector("[name='may']:checked");
  const models = [...form.querySelectorAll("[name='model']:checked")].map((box) => bold(box.value));
  const words = [" may ", bold(chosen?.dataset.words ?? "do anything"), " with "];
  return [...words, ...(models.length ? join(models) : ["every model"])];
}

function limits(form) {
  const value = (name) => form.elements[name]?.value.trim() ?? "";
  const words = [];
  if (value("budget")) words.push(", spend at most ", bold(`$${value("budget")} ${units[value("budget_window")]}`));
  const rates = [];
  if (value("requests")) rates.push(bold(`${value("requests")} requests`));
  if (value("tokens")) rates.push(bold(`${value("tokens")} tokens`));
  if (rates.length) words.push(words.length ? " at " : ", send at most ", ...join(rates), " a minute");
  if (value("addresses")) words.push(", from ", bold(value("addresses").split(/[\s,]+/).join(", ")), " only");
  return words;
}

function until(form) {
  const choice = form.querySelector("[name='expires']:checked")?.value;
  const date = form.elements.expires_on?.value;
  const moment = choice === "date" ? date && new Date(`${date}T00:00`) : Number(choice) && new Date(Date.now() + Number(choice) * day);
  if (!moment) return [", ", bold("until it is revoked"), "."];
  const text = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" }).format(moment);
  return [", until ", bold(text), "."];
}

// Of the service accounts only those of the chosen project are on offer, and a name is asked for a new one alone.
function offerMachines(form) {
  const { account, project } = form.elements;
  if (!account) return;
  for (const group of account.querySelectorAll("optgroup")) {
    group.hidden = group.disabled = group.dataset.of !== project.value;
  }
  if (account.selectedOptions[0]?.parentElement.disabled || !account.value) {
    account.value = (account.querySelector("optgroup:not([disabled]) > option") ?? account.lastElementChild).value;
  }
  const isMachine = form.querySelector("[name='owner']:checked")?.value === "machine";
  form.querySelector("[data-only='machine']").hidden = !isMachine;
  form.querySelector("[data-only='new-machine']").hidden = !isMachine || account.value !== "new";
}

function machine(form) {
  const { account, account_name: named } = form.elements;
  if (!account || form.querySelector("[name='owner']:checked")?.value !== "machine") return [];
  const name = account.value === "new" ? named.value.trim() || "a new service account" : account.selectedOptions[0].text;
  return [" of ", bold(name)];
}

function show(form) {
  offerMachines(form);
  const project = form.elements.project;
  const name = form.elements.name.value.trim() || "This key";
  const forProject = project?.selectedOptions ? [" for ", bold(project.selectedOptions[0].text)] : [];
  form.querySelector("[data-sentence]").replaceChildren(bold(name), ...machine(form), ...may(form), ...forProject, ...limits(form), ...until(form));
  const asks = (choice, value) => form.querySelector(`[name='${choice}']:checked`)?.value === value;
  form.querySelector("[data-only='restricted']")?.toggleAttribute("hidden", !asks("may", "restricted"));
}

export function watchCreateSheet() {
  const form = document.querySelector("form[data-create-sheet]");
  if (!form || "seen" in form.dataset) return;
  form.dataset.seen = "";
  form.addEventListener("input", () => show(form));
  show(form);
}
