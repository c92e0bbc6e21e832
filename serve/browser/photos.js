// A photo is halved as often as its short side keeps the first, and sent as a JPEG; a small file that cannot be halved
// goes as it is. The service decodes a JPEG at 1/2, 1/4 or 1/8 of its size: of what was halved before, it makes the
// same pixels.
const LEAST_SIDE_PX = 640, SMALL_BYTES = 1_000_000;
const JPEG_QUALITY = 0.9;
const AT_ONCE = 4;
const UNREADABLE = "This file cannot be read. If it is a folder, drop the photos that are in it.";

const waiting = [];
const photos = new Map(); // card -> what is known of its photo
let running = 0;

// ---- Photos come in ----

function add(sources) {
  const cards = sources.map(newCard);
  if (!cards.length) return;
  shown = "all";
  $("cards").prepend(...cards);
  waiting.push(...cards);
  pump();
}

function newCard(source) {
  const card = $("template").content.firstElementChild.cloneNode(true);
  const name = source.name ?? (source.file ? source.file.name || "Pasted photo" : shortUrl(source.url));
  const title = card.querySelector("h3");
  title.textContent = title.title = name;
  card.querySelector(".wait").textContent = "Waiting for its turn …";
  const remove = card.querySelector(".remove");
  remove.setAttribute("aria-label", `Remove ${name}`);
  remove.onclick = () => removeCard(card);
  const retry = card.querySelector(".retry");
  retry.setAttribute("aria-label", `Try again: ${name}`);
  retry.onclick = () => tryAgain([card], title);
  title.tabIndex = -1;
  photos.set(card, { ...source, name, state: "waiting" });
  if (source.url) card.querySelector(".photo").append(linkTo(source.url));
  return card;
}

function shortUrl(url) {
  const { host, pathname } = new URL(url);
  return pathname.split("/").pop() || host;
}

function linkTo(url) {
  // Another host's photo is not loaded here: this page talks to its own service only.
  const link = make("a", { href: url, target: "_blank", rel: "noopener noreferrer", textContent: new URL(url).host });
  return make("p", {}, "Photo at ", link);
}

function addUrl(text) {
  let url = null;
  try { url = new URL(text.trim()); } catch { /* told below */ }
  const good = url !== null && /^https?:$/.test(url.protocol);
  $("url-wrong").hidden = good;
  $("url-wrong").textContent = good ? "" : "That is not a web address. It must begin with http:// or https://.";
  $("url").setAttribute("aria-invalid", String(!good));
  if (good) add([{ url: url.href }]);
  return good;
}

function addAll(transfer) {
  const files = [...transfer.files];
  if (files.length) return add(files.map((file) => ({ file })));
  const text = transfer.getData("text/uri-list") || transfer.getData("text/plain");
  if (text.trim()) (text.match(/https?:\/\/\S+/gi) ?? [text]).forEach(addUrl);
}

function addExample(button) {
  const bytes = Uint8Array.from(atob(button.firstElementChild.src.split(",")[1]), (c) => c.charCodeAt(0));
  add([{ file: new File([bytes], button.dataset.name, { type: "image/jpeg" }) }]);
}

// ---- Photos are classified ----

function pump() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    classify(waiting.shift()).finally(() => { running -= 1; pump(); });
  }
  count();
}

async function classify(card) {
  const photo = photos.get(card);
  try {
    photo.state = "busy";
    card.querySelector(".wait").textContent = "Looking at it …";
    const readable = await isReadable(photo.sent ?? photo.file);
    if (!photos.has(card)) return;
    if (!readable) return showProblem(card, photo, UNREADABLE, false);
    if (photo.file && !photo.preview) await prepare(card, photo);
    if (!photos.has(card)) return;
    await greeted;
    if (!model.labels.length) await hello();
    const started = performance.now(), { explains } = model;
    const response = await send({ ...photo, explain: explains });
    const text = await response.text();
    const took = performance.now() - started;
    // The model may have been replaced.
    const cannot = explains && !response.ok && text.includes("no-explanation");
    const answer = response.ok ? JSON.parse(text) : null;
    if (cannot || (answer && answer.model_version !== model.version)) await hello();
    if (cannot && !model.explains && photos.has(card)) return await classify(card);
    if (!photos.has(card)) return; // removed meanwhile
    if (answer) showAnswer(card, photo, answer, stages(response, took, photo));
    else showProblem(card, photo, plainWords(response.status, text), response.status >= 500 || response.status === 429);
    $("gone").hidden = true;
  } catch (error) {
    if (!photos.has(card)) return;
    const slow = error.name === "TimeoutError";
    showProblem(card, photo, slow ? "The service took too long to answer." : "The service does not answer.", true);
    if (!slow && photos.has(card)) $("gone").hidden = false;
  }
}

// A folder that was dropped, or a file that has been moved: sending it would fail as if the service did not answer.
const isReadable = async (file) => !file || file.slice(0, 1).arrayBuffer().then(() => true, () => false);

function send({ url, sent, name, explain = false }) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  if (url) {
    const headers = { "content-type": "application/json" };
    return fetch("predict", { method: "POST", headers, body: JSON.stringify({ url, explain }), signal });
  }
  const body = new FormData();
  body.append("file", sent, name);
  if (explain) body.append("explain", "true");
  return fetch("predict", { method: "POST", body, signal });
}

async function prepare(card, photo) {
  const started = performance.now();
  photo.sent = await shrunk(photo.file);
  if (photo.sent !== photo.file) {
    photo.shrinkMs = performance.now() - started;
    photo.note = `Sent as ${kilobytes(photo.sent)} instead of ${kilobytes(photo.file)}.`;
  }
  photo.preview = URL.createObjectURL(photo.sent);
  showPicture(card, photo.preview);
}

function showPicture(card, source) {
  const image = make("img", { alt: "", src: source });
  image.onload = () => card.querySelector(".photo").classList.add("shown");
  image.onerror = () => image.remove(); // a format that this browser does not show
  card.querySelector(".photo").append(image);
}

async function shrunk(file) {
  let bitmap;
  try {
    // Upright and in sRGB, as the service makes it: a JPEG made here has neither an orientation nor a profile.
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file; // the service will say what is wrong with it, or knows a format that this browser does not
  }
  let { width, height } = bitmap;
  if (file.size <= SMALL_BYTES && Math.min(width, height) < 2 * LEAST_SIDE_PX) return file;
  let picture = bitmap;
  while (Math.min(width, height) >= 2 * LEAST_SIDE_PX) {
    width = Math.floor(width / 2);
    height = Math.floor(height / 2);
    picture = drawn(picture, width, height); // at half the size, smoothing is the mean of four pixels in any browser
  }
  if (picture === bitmap) picture = drawn(bitmap, width, height);
  bitmap.close();
  const blob = await jpeg(picture);
  return blob && blob.size < file.size ? blob : file;
}

function drawn(picture, width, height) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // under transparency, as the service does
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}

const jpeg = (canvas) => new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));

function stages(response, took, { shrinkMs, url }) {
  const timing = Object.fromEntries((response.headers.get("server-timing") ?? "").split(",").map((entry) => {
    const [name, duration] = entry.trim().split(";dur=");
    return [name, Number(duration)];
  }));
  const { fetch = 0, decode = 0, inference = 0 } = timing;
  return [
    ["Total", took + (shrinkMs ?? 0)],
    ...(shrinkMs === undefined ? [] : [["Shrink", shrinkMs]]),
    ["Network", Math.max(0, took - fetch - decode - inference)],
    ...(url ? [["Fetch", fetch]] : []),
    ["Decode", decode],
    ["Inference", inference],
  ];
}

function plainWords(status, text) {
  let detail;
  try { detail = JSON.parse(text).detail; } catch { /* not one of the service's own problems */ }
  if (detail) return detail;
  if (status === 413) return "The photo is too large to be sent. Choose a smaller one.";
  if (status === 401 || status === 403) return "The service does not take photos from this page.";
  if (status === 429 || status === 503) return "The service is busy. Try again in a moment.";
  return `The service could not answer (status ${status}).`;
}
