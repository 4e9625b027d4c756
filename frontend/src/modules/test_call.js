// The first real answer: one call through this very gateway with the new key, straight from the page.
// The secret is read from the dialog, goes into the Authorization header, and nowhere else.

const question = "Say hello in one short sentence.";

async function call(secret, model) {
  const began = performance.now();
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    credentials: "omit",
    headers: { "Authorization": `Bearer ${secret}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: question }] }),
  });
  const took = Math.round(performance.now() - began);
  // Something in between may answer in its own words.
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error?.message ?? `The gateway answered ${response.status}.`);
  return { took, body, cost: response.headers.get("x-keyhouse-cost-usd"), id: response.headers.get("x-keyhouse-call-id") };
}

function figures({ body, cost, id }) {
  const used = body.usage ?? {};
  const words = [`${used.prompt_tokens ?? 0} input + ${used.completion_tokens ?? 0} output tokens`];
  if (cost !== null) words[0] += `, $${cost}`;
  if (id) words.push(id);
  return words.join("  ·  ");
}

function show(outcome, state, headline, answer = "", small = "") {
  outcome.classList.remove("worked", "failed");
  if (state) outcome.classList.add(state);
  for (const icon of outcome.querySelectorAll("[data-when]")) icon.toggleAttribute("hidden", icon.dataset.when !== (state || "waiting"));
  outcome.querySelector("[data-headline]").textContent = headline;
  outcome.querySelector("[data-answer]").textContent = answer;
  outcome.querySelector("[data-figures]").textContent = small;
}

async function run(button) {
  const outcome = button.closest("[data-outcome]");
  const secret = document.querySelector("[data-holds-secret]").textContent.trim();
  const model = button.dataset.model;
  button.disabled = true;
  show(outcome, "", `Asking ${model}`);
  try {
    const result = await call(secret, model);
    const text = result.body.choices?.[0]?.message?.content ?? "";
    show(outcome, "worked", `The key works. ${model} answered in ${result.took} ms.`, text ? `“${text}”` : "", figures(result));
  } catch (fault) {
    show(outcome, "failed", "The call was refused.", fault.message);
  }
  button.disabled = false;
  button.querySelector("[data-words]").textContent = "Test again";
}

export function watchTestCalls() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-test-call]");
    if (button) run(button);
  });
}
