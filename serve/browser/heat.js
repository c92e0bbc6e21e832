// ---- What did it look at? ----
// The service says how much each place of the photo speaks for the label. It has seen the whole photo, upright and
// squeezed to a square: so the grid lies over the whole photo here.

const HEAT_SIDE_PX = 160, WARM = [255, 106, 0], COOL = [0, 92, 255];

function heatButton(card, { answer: { explanation, label } }) {
  if (!explanation) return [];
  const button = make("button", { type: "button", className: "look", textContent: "What did it look at?" });
  const words = make("p", { className: "legend", hidden: true,
    textContent: `Warm: speaks for “${label}”, most at the ${strongest(explanation)}. Cool: speaks against it.` });
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => {
    const on = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(on));
    words.hidden = !on;
    card.querySelector(".heat")?.remove();
    if (!on) return;
    const { naturalWidth, naturalHeight } = card.querySelector(".photo img");
    const canvas = heatMap(explanation, naturalWidth / naturalHeight);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Heat map. ${words.textContent}`);
    card.querySelector(".photo").append(canvas);
    tell(words.textContent);
  };
  return [button, words];
}

function strongest(grid) {
  const most = Math.max(...grid.flat());
  const row = grid.findIndex((values) => values.includes(most)), column = grid[row].indexOf(most);
  const third = (place, length) => Math.floor((3 * (place + 0.5)) / length);
  const names = [["top", "", "bottom"][third(row, grid.length)], ["left", "", "right"][third(column, grid[row].length)]];
  return names.filter(Boolean).join(" ") || "center";
}

function heatMap(grid, shape) {
  const width = Math.ceil(HEAT_SIDE_PX * Math.min(1, shape)), height = Math.ceil(HEAT_SIDE_PX / Math.max(1, shape));
  const canvas = make("canvas", { className: "heat", width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const most = Math.max(...grid.flat().map(Math.abs)) || 1;
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      const evidence = between(grid, y / height, x / width) / most;
      image.data.set([...(evidence > 0 ? WARM : COOL), 170 * Math.abs(evidence)], at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function between(grid, down, across) {
  // Smoothly from the center of one place to the next.
  const [above, below, dy] = neighbors(down, grid.length), [left, right, dx] = neighbors(across, grid[0].length);
  const mix = (one, other, share) => one + (other - one) * share;
  return mix(mix(grid[above][left], grid[above][right], dx), mix(grid[below][left], grid[below][right], dx), dy);
}

function neighbors(share, length) {
  const place = Math.min(Math.max(share * length - 0.5, 0), length - 1), first = Math.floor(place), rest = place - first;
  return [first, Math.min(first + 1, length - 1), rest * rest * (3 - 2 * rest)];
}

