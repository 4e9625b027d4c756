// A link with data-download says how far its file has come. Without this the browser downloads it as it does any other,
// and where something fails it is left to the browser, too.

const count = (lines) => new Intl.NumberFormat("en-US").format(Math.max(0, lines - 1));

async function read(answer, tell) {
  const reader = answer.body.getReader();
  const pieces = [];
  for (let lines = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return pieces;
    pieces.push(value);
    lines += value.reduce((found, byte) => found + (byte === 10), 0);
    tell(`${count(lines)} rows`);
  }
}

function save(pieces, answer) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(pieces, { type: "text/csv" }));
  link.download = answer.headers.get("content-disposition")?.match(/filename="([^"]+)"/)?.[1] ?? "keyhouse.csv";
  link.click();
  // The download has begun when its link was clicked; what it is made of may go a while later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function download(link) {
  const label = document.createElement("span");
  label.setAttribute("role", "status");
  const content = [...link.childNodes];
  const spinner = document.createElement("i");
  link.classList.add("downloading");
  link.setAttribute("aria-disabled", "true");
  link.replaceChildren(spinner, label);
  label.textContent = "Preparing";
  try {
    const answer = await fetch(link.href);
    if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
    save(await read(answer, (text) => { label.textContent = text; }), answer);
  } catch {
    location.assign(link.href);
  }
  // How many rows it has is told for a moment longer.
  await new Promise((done) => setTimeout(done, 1_500));
  link.replaceChildren(...content);
  link.classList.remove("downloading");
  link.removeAttribute("aria-disabled");
}

export function watchDownloads() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-download]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!link.classList.contains("downloading")) download(link);
  });
}
