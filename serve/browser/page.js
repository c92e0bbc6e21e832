// ---- What people do ----

$("choose").onclick = () => $("files").click();
$("camera").onclick = openCamera;
$("shoot").onclick = shoot;
$("close").onclick = () => $("studio").close();
$("studio").onclose = stopCamera;
$("live").onclick = () => goLive(!live);
document.addEventListener("visibilitychange", () => { if (document.hidden) goLive(false); });
$("csv").onclick = () => download("answers.csv", `\ufeff${csv()}`, "text/csv");
for (const button of $("examples").children) button.onclick = () => addExample(button);
const failed = () => [...photos].filter(([, photo]) => photo.state === "failed").map(([card]) => card);
let asking = false;
$("again").onclick = async () => {
  if (asking) return;
  asking = true;
  const answers = await hello();
  asking = false;
  if (answers) tryAgain(failed(), $("choose"));
  else tell("Still no answer.");
};
$("retry").onclick = () => tryAgain(failed(), $("clear"));
$("clear").onclick = () => {
  [...photos.keys()].forEach(forget);
  count();
  remember();
  $("choose").focus();
};
for (const input of [$("files"), $("capture")]) {
  input.onchange = () => {
    add([...input.files].map((file) => ({ file })));
    input.value = ""; // the same file can be chosen again
  };
}
$("link").onsubmit = (event) => {
  event.preventDefault();
  if (addUrl($("url").value)) $("url").value = "";
  else $("url").focus();
};
document.addEventListener("paste", (event) => {
  if (event.target.id !== "url" || event.clipboardData.files.length) {
    event.preventDefault();
    addAll(event.clipboardData);
  }
});
// Anywhere on the page: a photo that misses the frame must not replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  addAll(event.dataTransfer);
});

const greeted = hello().finally(restore);
