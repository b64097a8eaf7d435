"use strict";

const element = (id) => document.getElementById(id);
let image = null; // the file shown
let asked = 0; // requests so far: the late answer to an earlier one is not shown

function say(text, isError = false) {
  element("status").textContent = text;
  element("status").className = isError ? "error" : "";
}

async function json(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `HTTP ${response.status}`);
  return answer;
}

const base64 = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

function route() {
  return `/v1/models/${encodeURIComponent(element("model").value)}:predict`;
}

function show(prediction) {
  const rows = prediction.top_classes.map((name, index) => {
    const score = prediction.top_scores[index];
    const [label, bar, percent] = ["span", "meter", "span"].map((tag) => document.createElement(tag));
    label.textContent = label.title = name;
    bar.value = score;
    percent.textContent = `${(100 * score).toFixed(1)} %`;
    const row = document.createElement("li");
    row.append(label, bar, percent);
    return row;
  });
  element("answer").replaceChildren(...rows);
}

async function ask() {
  element("route").textContent = `POST ${location.origin}${route()}`;
  if (!image) return;
  const number = ++asked;
  say("…");
  try {
    const start = performance.now();
    const body = JSON.stringify({ instances: [{ b64: await base64(image) }] });
    const answer = await json(await fetch(route(), { method: "POST", body }));
    if (number !== asked) return;
    show(answer.predictions[0]);
    say(`${image.name}, ${Math.round(performance.now() - start)} ms`);
  } catch (error) {
    if (number !== asked) return;
    element("answer").replaceChildren();
    say(error.message, true);
  }
}

function choose(file) {
  if (!file) return;
  image = file;
  const preview = element("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.onerror = () => { preview.hidden = true; };
  preview.hidden = false;
  element("hint").hidden = true;
  ask();
}

async function start() {
  const { models } = await json(await fetch("models"));
  element("model").replaceChildren(...models.map((name) => new Option(name)));
  element("model").onchange = ask;
  element("file").onchange = (event) => choose(event.target.files[0]);
  const drop = element("drop");
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    choose(event.dataTransfer.files[0]);
  };
  await ask();
}

start().catch((error) => say(error.message, true));
