// ---- Answers are shown ----

function showAnswer(card, photo, answer, times) {
  Object.assign(photo, { state: "done", answer, times });
  const { label, uncertain } = answer;
  const [[, confidence]] = shares(answer);
  const kind = uncertain ? "label uncertain" : label === model.positive ? "label positive" : "label";
  card.querySelector(".answer").replaceChildren(
    make("p", { className: "said" },
      make("span", { className: kind, textContent: uncertain ? "Uncertain" : label }),
      make("span", { className: "number quiet", textContent: uncertain ? "" : percent(confidence) })),
    make("ul", { className: label === model.positive ? "shares positive" : "shares" }, ...shareRows(answer)),
    ...(uncertain ? [make("p", { className: "doubt", textContent: doubt(answer) })] : []),
    ...heatButton(card, photo),
    details(photo),
  );
  settle(card, { answer: true });
  tell(`${photo.name}: ${uncertain ? `uncertain. ${doubt(answer)}` : `${label}, ${percent(confidence)}.`}`);
  remember();
}

function details({ name, url, answer: { explanation, ...answer }, times, note }) {
  const rows = times.map(([stage, ms]) => make("div", {},
    make("dt", { textContent: stage }), make("dd", { textContent: milliseconds(ms) })));
  const about = make("p", { className: "fine" }, "Model ", make("code", { textContent: answer.model_version }), ". ", note ?? "");
  return make("details", {}, make("summary", { textContent: "Details" }), make("dl", {}, ...rows), about,
    make("div", { className: "row" },
      copyButton("Copy as curl", () => curl(name, url)),
      copyButton("Copy as JSON", () => JSON.stringify({ photo: name, ...answer }, null, 2))));
}

function copyButton(title, text) {
  const button = make("button", { type: "button", textContent: title });
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not allow it";
    }
    tell(button.textContent);
    setTimeout(() => { button.textContent = title; }, 2000);
  };
  return button;
}

function curl(name, url) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const target = quoted(new URL("predict", location.href).href);
  if (url) return `curl --json ${quoted(JSON.stringify({ url }))} ${target}`;
  return `curl -F ${quoted(`file=@"${name.replace(/["\\]/g, "\\$&")}"`)} ${target}`;
}

function showProblem(card, photo, words, mayWorkLater) {
  Object.assign(photo, { state: mayWorkLater ? "failed" : "done", problem: words, answer: undefined });
  card.querySelector(".wrong").textContent = words;
  settle(card, { wrong: true, retry: mayWorkLater && Boolean(photo.sent ?? photo.url) });
  tell(`${photo.name}: ${words}`);
  remember();
}

function settle(card, { answer = false, wrong = false, retry = false, wait = false }) {
  card.setAttribute("aria-busy", String(wait));
  card.querySelector(".wait").hidden = !wait;
  card.querySelector(".answer").hidden = !answer;
  card.querySelector(".wrong").hidden = !wrong;
  card.querySelector(".retry").hidden = !retry;
}

function tryAgain(cards, focus) {
  shown = "all";
  for (const card of cards) {
    photos.get(card).state = "waiting";
    settle(card, { wait: true });
  }
  focus.focus(); // the button that was pressed is about to go
  waiting.push(...cards);
  pump();
}

function removeCard(card) {
  const seen = [...$("cards").children].filter(({ hidden }) => !hidden), place = seen.indexOf(card);
  forget(card);
  count();
  const neighbor = seen[place + 1] ?? seen[place - 1];
  (neighbor?.querySelector(".remove") ?? $("choose")).focus();
  remember();
}

function forget(card) {
  const { preview } = photos.get(card);
  if (preview?.startsWith("blob:")) URL.revokeObjectURL(preview);
  photos.delete(card);
  const place = waiting.indexOf(card);
  if (place >= 0) waiting.splice(place, 1);
  card.remove();
}

// ---- All answers together ----

let shown = "all";

// A label may be called "failed", too.
const kindOf = ({ answer, problem, state }) => state === "waiting" || state === "busy" ? "waiting"
  : answer === undefined ? problem && "state:failed" : answer.uncertain ? "state:uncertain" : `label:${answer.label}`;

function count() {
  const all = [...photos.values()];
  const settled = all.filter(({ state }) => state === "done" || state === "failed").length;
  $("progress").max = all.length || 1;
  $("progress").value = settled;
  $("progress").hidden = settled === all.length;
  $("count").textContent = settled < all.length ? `${settled} of ${all.length} done` : `${all.length}`;
  $("retry").hidden = all.filter((photo) => photo.state === "failed" && (photo.sent ?? photo.url)).length < 2;
  $("csv").hidden = settled === 0;
  $("results").hidden = all.length === 0;
  document.body.classList.toggle("answered", all.length > 0);
  showFilters(all);
}

function showFilters(all) {
  const counts = new Map();
  for (const kind of all.map(kindOf)) if (kind !== "waiting") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  if (!counts.has(shown)) shown = "all";
  $("filters").hidden = counts.size < 2;
  const { activeElement } = document; // put in again, it loses the focus
  const kinds = [["all", all.length], ...[...counts].sort()];
  const buttons = new Map([...$("filters").children].map((button) => [button.dataset.kind, button]));
  $("filters").replaceChildren(...kinds.map(([kind, number]) => {
    const button = buttons.get(kind) ?? make("button", { type: "button", onclick: () => { shown = kind; count(); } });
    button.dataset.kind = kind;
    button.textContent = `${kind.slice(kind.indexOf(":") + 1)} ${number}`;
    button.setAttribute("aria-pressed", String(kind === shown));
    return button;
  }));
  activeElement?.focus({ preventScroll: true });
  for (const [card, photo] of photos) card.hidden = shown !== "all" && kindOf(photo) !== shown;
}

function csv() {
  // A spreadsheet would run a cell that begins like a formula (OWASP, "CSV Injection").
  const cell = (value) => {
    const text = String(value ?? "");
    return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const each = model.labels.length > 2 ? model.labels : [];
  const columns = ["photo", "label", "probability", "uncertain", "model_version", "error", ...each.map((label) => `P(${label})`)];
  const rows = [...photos.values()].filter(({ answer, problem }) => answer ?? problem).map(({ name, answer, problem }) =>
    [name, answer?.label, answer?.probability, answer?.uncertain, answer?.model_version, answer ? "" : problem,
      ...each.map((label) => answer?.probabilities?.[label])]);
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
