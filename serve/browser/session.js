// ---- Answers survive a reload, within this tab: no photo leaves the machine ----

const KEPT = `answers ${location.pathname}`, THUMBNAIL_PX = 320;
let remembered = 0;
let before; // a photo may settle before `restore`
try { before = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* not allowed */ }

async function remember() {
  const turn = remembered += 1;
  const all = [...$("cards").children].map((card) => photos.get(card));
  const settled = all.filter(({ state }) => state === "done" || state === "failed");
  for (const photo of settled) photo.thumbnail ??= await thumbnail(photo);
  if (turn !== remembered) return; // photos came or went since
  let kept = settled.map(({ name, url, state, answer, problem, times, note, thumbnail }) =>
    ({ name, url, state, answer, problem, times, note, thumbnail }));
  for (;;) {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
      return;
    } catch { // full, or not allowed: the oldest go first
      if (!kept.length) return;
      kept = kept.slice(0, Math.floor(kept.length / 2));
    }
  }
}

async function thumbnail({ sent }) {
  if (!sent) return null;
  try {
    const bitmap = await createImageBitmap(sent, { imageOrientation: "from-image" });
    const scale = Math.min(1, THUMBNAIL_PX / Math.max(bitmap.width, bitmap.height));
    return drawn(bitmap, Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale)).toDataURL("image/jpeg", 0.7);
  } catch {
    return null; // a format that this browser does not show
  }
}

function restore() {
  const fits = ({ answer }) => !answer || !model.version || answer.model_version === model.version;
  const kept = Array.isArray(before) ? before.filter(fits) : [];
  for (const { name, url, state, answer, problem, times, note, thumbnail } of kept) {
    const card = newCard({ name, url, note, thumbnail, preview: thumbnail ?? undefined });
    $("cards").append(card);
    if (thumbnail) showPicture(card, thumbnail);
    if (answer) showAnswer(card, photos.get(card), answer, times);
    else showProblem(card, photos.get(card), problem, Boolean(url) && state === "failed");
  }
  $("news").replaceChildren();
  count();
  remember();
}
