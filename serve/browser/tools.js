"use strict";

const TIMEOUT_MS = 60_000;

// Without a slash at its end, a base path or a stage is no folder: "predict" would lead out of it.
if (!location.pathname.endsWith("/")) history.replaceState(null, "", `${location.pathname}/${location.search}`);

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const kilobytes = ({ size }) => size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
const percent = (p) => p < 0.001 ? "< 0.1%" : p > 0.999 ? "> 99.9%" : `${(p * 100).toFixed(1)}%`;
const capital = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;

function tell(words) {
  $("news").append(make("span", { textContent: `${words} ` }));
  if ($("news").children.length > 20) $("news").firstChild.remove();
}

// ---- What the service says of itself ----

const model = { labels: [], positive: null, threshold: null, explains: false, version: null };

async function hello() {
  try {
    const response = await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(String(response.status));
    introduce(await response.json());
    return true;
  } catch {
    $("gone").hidden = false;
    return false;
  }
}

function introduce({ labels, positive_class, confidence_threshold, model_version, explains }) {
  const [positive, threshold, version] = [positive_class ?? null, confidence_threshold ?? null, model_version];
  Object.assign(model, { labels, positive, threshold, explains, version });
  const title = labels.length === 2 ? `${capital(labels[0])} or ${labels[1]}?` : "Which one is it?";
  $("title").textContent = document.title = title;
  const some = labels.slice(0, 8).map((label) => `“${label}”`);
  if (labels.length > 8) some.push(`${labels.length - 8} more`);
  $("closed").textContent = `The model knows ${new Intl.ListFormat("en").format(some)}. ` +
    "Given a photo of anything else, it still answers one of them.";
  $("model").replaceChildren("The service runs model ", make("code", { textContent: model_version }), ".");
  $("examples").hidden = !["cat", "dog"].every((label) => labels.includes(label));
  $("gone").hidden = true;
}

// ---- Labels and their probabilities ----

function shares({ label, probability, probabilities }) {
  // Two labels: the service sends the probability of the positive one.
  const confidence = Math.max(probability, 1 - probability);
  const other = model.labels.length === 2 ? model.labels.find((one) => one !== label) : undefined;
  const all = probabilities ?? { [label]: confidence, ...(other ? { [other]: 1 - confidence } : {}) };
  return Object.entries(all).sort(([, a], [, b]) => b - a).slice(0, 5);
}

function shareRows(answer) {
  return shares(answer).map(([label, share], place) => {
    const bar = make("div", { className: "bar" }, make("span"));
    bar.setAttribute("role", "meter");
    const spoken = { valuemin: 0, valuemax: 1, valuenow: share, valuetext: percent(share), label };
    for (const [name, value] of Object.entries(spoken)) bar.setAttribute(`aria-${name}`, value);
    requestAnimationFrame(() => { bar.firstChild.style.width = `${share * 100}%`; });
    return make("li", { className: place === 0 && !answer.uncertain ? "best" : "" },
      make("span", { className: "name", textContent: label, title: label }), bar,
      make("span", { className: "number", textContent: percent(share) }));
  });
}

function doubt(answer) {
  const [[, confidence]] = shares(answer);
  const reason = model.threshold === null ? "The confidence is below the model's threshold. "
    : `The confidence, ${percent(confidence)}, is below the model's threshold, ${percent(model.threshold)}. `;
  return `${reason}The photo may show something else, or more than one thing.`;
}
