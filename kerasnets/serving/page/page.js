"use strict";

const element = (id) => document.getElementById(id);
const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
let models = []; // name, version, explains, digits
let shown = []; // {file, card, answer}: the images, the newest first
let asked = 0; // rounds of questions so far: answers of an earlier one are not shown

function say(text, isError = false) {
  element("status").textContent = text;
  element("status").className = isError ? "error" : "";
}

async function json(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error || `HTTP ${response.status}`), { code: response.status });
  return answer;
}

const base64 = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

const chosen = () => models.find(({ name }) => name === element("model").value);
const route = ({ name, version }) =>
  `/v1/models/${encodeURIComponent(name)}${version ? `/versions/${version}` : ""}:predict`;

async function predict(model, signature, data) {
  const body = JSON.stringify({ signature_name: signature, instances: [{ b64: data }] });
  return (await json(await fetch(route(model), { method: "POST", body }))).predictions[0];
}

// Learns the models and their newest versions; keeps the one that is chosen.
async function refresh() {
  const before = element("model").value;
  ({ models } = await json(await fetch("models")));
  element("model").replaceChildren(...models.map(({ name }) => new Option(name)));
  if (models.some(({ name }) => name === before)) element("model").value = before;
  suit();
}

// Shows what the chosen model can be asked.
function suit() {
  const model = chosen();
  element("pad").hidden = !model?.digits;
  element("strength").hidden = !model?.explains;
  element("route").textContent = model ? `POST ${location.origin}${route({ name: model.name })}` : "";
}

// Asks about one image; a version that was replaced meanwhile is asked for anew, once.
async function answer(entry, round, again = true) {
  const model = chosen();
  try {
    const data = await base64(entry.file);
    const start = performance.now();
    const prediction = await predict(model, "serving_default", data);
    const ms = Math.round(performance.now() - start);
    const explanation = model.explains ? await predict(model, "explain", data) : null;
    if (round !== asked) return;
    entry.answer = { model, prediction };
    fill(entry, `${model.name}, version ${model.version}, ${ms} ms`, prediction, explanation);
  } catch (error) {
    if (round !== asked) return;
    if (error.code === 404 && again) {
      await refresh();
      return answer(entry, round, false);
    }
    entry.answer = null;
    fill(entry, error.message);
  }
}

// What the network says, a row each: a class with its probability, or a number by its name.
function rowsOf({ top_classes: classes = [], top_scores: scores, names, values }) {
  if (names) return names.map((name, index) => ({ name, value: values[index], text: String(Number(values[index].toPrecision(6))) }));
  return classes.map((name, index) => ({ name, value: scores[index], text: `${(100 * scores[index]).toFixed(1)} %` }));
}

function fill({ card, file }, note, prediction, explanation) {
  card.querySelector("p").textContent = note;
  card.querySelector("p").className = prediction ? "" : "error";
  card.querySelector("canvas")?.remove();
  card.querySelector("ol").replaceChildren(...rowsOf(prediction ?? {}).map(({ name, value, text }) => {
    const row = make("li");
    row.append(
      make("span", { textContent: name, title: name }),
      // Of numbers nobody knows at which one a bar is full.
      prediction.names ? make("span") : make("meter", { value, ariaLabel: name }),
      make("span", { textContent: text }),
    );
    return row;
  }));
  if (explanation) card.querySelector("figure").append(overlay(explanation, file.name));
}

// From dark over red to yellow, as the pictures of `kerasnets explain`.
const STOPS = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];

function colour(value) {
  const place = value * (STOPS.length - 1), below = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[below].map((part, index) => part + (place - below) * (STOPS[below + 1][index] - part));
}

function overlay({ class: name, map, seen: [top, left, height, width] }, file) {
  const canvas = make("canvas", { width: map[0].length, height: map.length });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Where the network finds ${name} in ${file}`);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  map.flat().forEach((value, index) => pixels.data.set([...colour(value), 255], 4 * index));
  context.putImageData(pixels, 0, 0);
  const percent = (part) => `${100 * part}%`;
  Object.assign(canvas.style, { top: percent(top), left: percent(left), width: percent(width), height: percent(height) });
  return canvas;
}

function addCard(file) {
  const card = make("li"), figure = make("figure"), text = make("div");
  const image = make("img", { alt: file.name, src: URL.createObjectURL(file) });
  image.onload = () => figure.classList.toggle("small", image.naturalWidth < 112);
  image.onerror = () => image.remove();
  figure.append(image);
  text.append(make("h2", { textContent: file.name }), make("p", { textContent: "…" }), make("ol"));
  card.append(figure, text);
  return card;
}

// A new drawing takes the place of the one before.
function add(files, replaced = null) {
  const added = [...files].map((file) => ({ file, card: addCard(file), answer: null }));
  shown = [...added, ...shown.filter((entry) => entry !== replaced)];
  show();
  return ask(added);
}

function show() {
  element("answers").replaceChildren(...shown.map(({ card }) => card));
  element("tools").hidden = !shown.length;
}

let waiting = Promise.resolve();

// One image after the other, in their order; the server's cores are all busy with one.
function ask(entries) {
  const round = asked;
  waiting = waiting.then(async () => {
    for (const [index, entry] of entries.entries()) {
      if (round !== asked) return;
      say(`Asking about ${entry.file.name}, ${index + 1} of ${entries.length}`);
      await answer(entry, round);
    }
    if (round !== asked) return;
    const answered = shown.filter((entry) => entry.answer).length;
    const first = entries.length === 1 && entries[0].answer;
    const [best] = first ? rowsOf(first.prediction) : [];
    const words = best && (first.prediction.names ? `${best.name} ${best.text}` : best.name);
    say(words ? `${entries[0].file.name}: ${words}` : `${answered} of ${shown.length} images answered`);
  }).catch((error) => say(error.message, true));
  return waiting;
}

function askAgain() {
  asked += 1;
  for (const entry of shown) Object.assign(entry, { answer: null });
  suit();
  return ask(shown);
}

// A cell that begins as a formula would be one in a spreadsheet.
function cell(value) {
  const text = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv() {
  const answered = shown.filter((entry) => entry.answer).reverse();
  const found = answered.map(({ answer }) => rowsOf(answer.prediction));
  const most = Math.max(0, ...found.map((rows) => rows.length));
  const [what, figure] = answered.some(({ answer }) => answer.prediction.names) ? ["name", "number"] : ["class", "probability"];
  const header = ["image", "model", "version"];
  for (let place = 1; place <= most; place += 1) header.push(`${what} ${place}`, `${figure} ${place}`);
  const rows = answered.map(({ file, answer: { model } }, index) => [
    file.name, model.name, model.version,
    ...found[index].flatMap(({ name, value }) => [name, value]),
  ]);
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function download() {
  const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  make("a", { href: url, download: "predictions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function removeAll() {
  asked += 1;
  for (const { card } of shown) URL.revokeObjectURL(card.querySelector("img")?.src);
  shown = [];
  show();
  say("");
}

// The drawing pad: white strokes on black, as the digits of MNIST.
function startPad() {
  const canvas = element("drawing"), context = canvas.getContext("2d");
  const pen = { x: 140, y: 140, down: false };
  let empty = true, timer = 0, number = 0, last = null;
  Object.assign(context, { lineWidth: 24, lineCap: "round", lineJoin: "round", strokeStyle: "white" });

  function clear() {
    context.fillRect(0, 0, canvas.width, canvas.height);
    [empty, last] = [true, null];
    clearTimeout(timer);
  }

  function line(x, y) {
    context.beginPath();
    context.moveTo(pen.x, pen.y);
    context.lineTo(x, y);
    context.stroke();
    empty = false;
  }

  function move(x, y) {
    if (pen.down) line(x, y);
    Object.assign(pen, { x, y });
  }

  function done() {
    clearTimeout(timer);
    if (empty) return;
    canvas.toBlob(async (blob) => {
      // One drawing is one image, asked about after each of its strokes.
      const name = last ? last.file.name : `drawing ${++number}.png`;
      const before = last;
      const adding = add([new File([blob], name, { type: "image/png" })], before);
      last = shown[0];
      await adding;
    });
  }

  const place = (event) => [event.offsetX, event.offsetY].map((at) => (at * canvas.width) / canvas.clientWidth);
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(timer);
    const [x, y] = place(event);
    Object.assign(pen, { x, y, down: true });
    line(x, y);
  };
  canvas.onpointermove = (event) => { if (event.buttons) move(...place(event)); };
  canvas.onpointerup = canvas.onpointercancel = () => {
    pen.down = false;
    timer = setTimeout(done, 400); // another stroke may follow
  };
  const steps = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
  canvas.onkeydown = (event) => {
    const inside = (at) => Math.min(Math.max(at, 0), canvas.width);
    if (steps[event.key]) move(inside(pen.x + steps[event.key][0]), inside(pen.y + steps[event.key][1]));
    else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) line(pen.x, pen.y);
      say(pen.down ? "The pen is down" : "The pen is up");
    } else if (event.key === "Enter") done();
    else if (event.key === "Escape") clear();
    else return;
    event.preventDefault();
  };
  element("clear").onclick = clear;
  clear();
}

async function start() {
  await refresh();
  element("model").onchange = askAgain;
  element("file").onchange = (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // so that the same file can be chosen again
    add(files);
  };
  element("opacity").oninput = (event) =>
    document.documentElement.style.setProperty("--map", event.target.value / 100);
  element("csv").onclick = download;
  element("remove").onclick = removeAll;
  const drop = element("drop");
  document.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  document.ondragleave = () => drop.classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  };
  startPad();
}

start().catch((error) => say(error.message, true));
