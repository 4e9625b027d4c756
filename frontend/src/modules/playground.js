// The playground: the answer as it streams, Stop, what it costs, and the same call as code. The page's own server
// asks the gateway; no secret ever comes here.

const $ = (form, name) => form.querySelector(`[data-${name}]`);
const figure = (form, name, value) => { form.querySelector(`[data-figure="${name}"]`).textContent = value; };

function turn(form, who, text) {
  const row = document.createElement("div");
  row.className = "turn";
  const name = document.createElement("span");
  name.className = "who-speaks";
  name.textContent = who;
  const words = document.createElement("p");
  words.className = "said";
  words.textContent = text;
  const kept = document.createElement("input");
  Object.assign(kept, { type: "hidden", name: "said", value: text });
  row.append(name, words, kept);
  $(form, "turns").append(row);
  return { row, say: (more) => { words.textContent += more; kept.value += more; } };
}

// Server-sent events: blocks apart by an empty line, each with lines of data.
async function* events(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const found = text.slice(0, end).split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      text = text.slice(end + 2);
      if (found.length && found[0] !== "[DONE]") yield JSON.parse(found.join("\n"));
    }
  }
}

function fail(form, words) {
  $(form, "fault").hidden = !words;
  $(form, "fault-words").textContent = words;
}

async function tell(form, id) {
  const link = document.createElement("a");
  Object.assign(link, { className: "link mono", href: `/calls/${id}`, textContent: id.slice(-8) });
  form.querySelector('[data-figure="call"]').replaceChildren(link);
  for (let wait = 100; wait < 5000; wait *= 2) {
    const answer = await fetch(`/playground/calls/${id}`);
    if (!answer.ok) return; // whoever may ask may still not see what calls cost
    const found = await answer.json();
    $(form, "reserved").textContent = found.is_settled ? `${found.reserved} had been reserved` : `at most ${found.reserved} is reserved`;
    if (found.is_settled) {
      for (const name of ["input", "cached", "output", "reasoning"]) figure(form, name, found[name].toLocaleString("en-US"));
      figure(form, "cost", found.cost || "no price");
      const took = found.duration_ms - (found.first_byte_ms ?? 0);
      figure(form, "speed", took >= 50 && found.output ? `${Math.round((found.output * 1000) / took)} tokens/s` : "–");
      return;
    }
    await new Promise((done) => { setTimeout(done, wait); });
  }
}

async function read(form, answer, began) {
  const id = answer.headers.get("x-keyhouse-call-id");
  const spoken = turn(form, form.elements.model.value, "");
  spoken.row.classList.add("speaking");
  try {
    for await (const event of events(answer.body)) {
      const piece = event.choices?.[0]?.delta?.content;
      if (event.error) fail(form, event.error.message);
      if (!piece) continue;
      if (form.querySelector('[data-figure="first"]').textContent === "–") figure(form, "first", `${Math.round(performance.now() - began)} ms`);
      spoken.say(piece);
    }
  } finally {
    spoken.row.classList.remove("speaking");
    if (id) tell(form, id);
  }
}

function busy(form, isBusy) {
  $(form, "send").hidden = isBusy;
  $(form, "stop").hidden = !isBusy;
  $(form, "state").textContent = isBusy ? "Streaming" : "Answered";
}

async function ask(form) {
  const message = form.elements.message.value.trim();
  if (!message) return;
  const stop = new AbortController();
  form.stopAsking = () => stop.abort();
  const body = new URLSearchParams(new FormData(form));
  fail(form, "");
  for (const place of form.querySelectorAll("[data-figure]")) place.textContent = "–";
  const asked = turn(form, "You", message);
  form.elements.message.value = "";
  busy(form, true);
  const began = performance.now();
  const clock = setInterval(() => { $(form, "working").textContent = `Answering, ${((performance.now() - began) / 1000).toFixed(1)} s`; }, 100);
  try {
    const answer = await fetch("/playground/ask", { method: "POST", body, signal: stop.signal });
    if (answer.ok) await read(form, answer, began);
    else {
      const found = await answer.json().catch(() => ({}));
      asked.row.remove();
      form.elements.message.value = message;
      fail(form, found.message ?? "You may not ask here. An owner of the organization can make you a key.");
    }
  } catch (fault) {
    if (fault.name !== "AbortError") fail(form, "The answer broke off.");
  }
  clearInterval(clock);
  $(form, "working").textContent = "";
  busy(form, false);
  form.elements.message.focus();
}

function showCode(form) {
  const dialog = document.getElementById("code");
  const said = [...form.querySelectorAll("[name='said']")].map((kept) => kept.value);
  const messages = [...said, form.elements.message.value.trim()].filter(Boolean).map((content, at) => ({ role: at % 2 ? "assistant" : "user", content }));
  if (form.elements.system.value.trim()) messages.unshift({ role: "system", content: form.elements.system.value.trim() });
  document.getElementById("code-text").textContent = `from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(dialog.dataset.baseUrl)})  # reads OPENAI_API_KEY
stream = client.chat.completions.create(
    model=${JSON.stringify(form.elements.model.value)},
    messages=${JSON.stringify(messages, null, 4).replaceAll("\n", "\n    ")},
    max_completion_tokens=${Number(form.elements.output.value)},
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)`;
  dialog.showModal();
}

export function watchPlayground() {
  const form = document.querySelector("form[data-playground]:not([data-seen])");
  if (!form) return;
  form.dataset.seen = "";
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(form); });
  $(form, "stop").addEventListener("click", () => form.stopAsking());
  $(form, "show-code").addEventListener("click", () => showCode(form));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !$(form, "stop").hidden) form.stopAsking();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.id !== "message") return;
    event.preventDefault();
    if ($(form, "stop").hidden) ask(form);
  });
}
