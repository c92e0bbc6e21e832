// ---- The camera ----

const LIVE_EVERY_MS = 300, LIVE_SIDE_PX = 480;
let live = false, opened = 0, watching = 0;

async function openCamera() {
  // A phone's own camera program is better; and without a secure context there is no other.
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices) return $("capture").click();
  $("camera-wrong").hidden = true;
  $("studio").showModal();
  const turn = opened += 1; // the dialog may be closed, and opened again, before the camera is allowed
  try {
    const wanted = { facingMode: "environment", width: { ideal: 1280 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    if (turn !== opened || !$("studio").open) return stop(stream);
    $("video").srcObject = stream;
    await $("video").play();
    $("shoot").disabled = $("live").disabled = false;
    $("shoot").focus();
  } catch (error) {
    if (turn !== opened) return;
    cameraProblem(error.name === "NotAllowedError"
      ? "This page may not use the camera. Allow it in the browser's settings, or choose a photo instead."
      : "No camera can be used. Choose a photo instead.");
  }
}

function cameraProblem(words) {
  $("camera-wrong").textContent = words;
  $("camera-wrong").hidden = false;
}

async function shoot() {
  const canvas = frame(Infinity);
  $("studio").close();
  const blob = await jpeg(canvas);
  add([{ file: new File([blob], `Camera, ${new Date().toLocaleTimeString()}`, { type: blob.type }) }]);
}

function frame(longestSide) {
  const { videoWidth, videoHeight } = $("video");
  const scale = Math.min(1, longestSide / Math.max(videoWidth, videoHeight));
  return drawn($("video"), Math.round(videoWidth * scale), Math.round(videoHeight * scale));
}

const stop = (stream) => stream?.getTracks().forEach((track) => track.stop());

function stopCamera() {
  goLive(false);
  stop($("video").srcObject);
  $("video").srcObject = null;
  $("shoot").disabled = $("live").disabled = true;
}

// ---- Live: one frame after another, never two at once ----

function goLive(on) {
  if (on === live) return;
  live = on;
  $("live").setAttribute("aria-pressed", String(on));
  $("live-shares").hidden = !on;
  watching += 1;
  if (!on) return;
  $("camera-wrong").hidden = true;
  watch(watching);
}

async function watch(turn) {
  while (turn === watching) {
    const started = performance.now();
    try {
      const response = await send({ sent: await jpeg(frame(LIVE_SIDE_PX)), name: "frame.jpg" });
      const text = await response.text();
      if (turn !== watching) return;
      if (!response.ok) throw new Error(plainWords(response.status, text));
      showLive(JSON.parse(text));
    } catch (error) {
      if (turn !== watching) return;
      goLive(false);
      return cameraProblem(error instanceof TypeError ? "The service does not answer."
        : error.name === "TimeoutError" ? "The service took too long to answer."
        : error instanceof SyntaxError ? "The answer cannot be read." : error.message);
    }
    await new Promise((done) => setTimeout(done, Math.max(0, LIVE_EVERY_MS - (performance.now() - started))));
  }
}

function showLive(answer) {
  const rows = new Map([...$("live-shares").children].map((row) => [row.dataset.label, row]));
  const next = shares(answer);
  if (next.every(([label]) => rows.has(label)) && rows.size === next.length) {
    for (const [label, share] of next) moveBar(rows.get(label), share, label === answer.label && !answer.uncertain);
  } else {
    $("live-shares").replaceChildren(...shareRows(answer));
    [...$("live-shares").children].forEach((row, place) => { row.dataset.label = next[place][0]; });
  }
}

function moveBar(row, share, best) {
  const bar = row.querySelector(".bar");
  bar.firstChild.style.width = `${share * 100}%`;
  bar.setAttribute("aria-valuenow", share);
  bar.setAttribute("aria-valuetext", percent(share));
  row.querySelector(".number").textContent = percent(share);
  row.classList.toggle("best", best);
}
