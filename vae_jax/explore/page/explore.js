// Sliders, pictures and pickers. All that needs the model goes through `backend`: the server, or the weights in the page.

import { remote } from "./remote.js";

const backend = globalThis.vaeJaxBackend ?? remote;
const $ = (id) => document.getElementById(id);
const STRIP = 11, IDLE = 120; // images of a strip; milliseconds without a move after which it is drawn anew
const state = { model: 0, models: [], about: null, z: [], start: [], label: null, chosen: 0, test: 0, original: null, posterior: null };
let seed = 1, idle = 0;

function say(error) {
  $("said").hidden = !error;
  $("said").textContent = error ? String(error.message ?? error) : "";
}

// Pictures

function paint(canvas, pixels, height, width, channels) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels * i + (channels >= 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function tiled(canvas, pixels, count, columns) {
  const [height, width, channels] = state.about.shape;
  const rows = Math.ceil(count / columns), wide = columns * width, size = height * width * channels;
  const whole = new Uint8Array(rows * height * wide * channels);
  for (let n = 0; n < count; n++) {
    const top = Math.floor(n / columns) * height, left = (n % columns) * width;
    for (let y = 0; y < height; y++) {
      const from = n * size + y * width * channels;
      whole.set(pixels.subarray(from, from + width * channels), ((top + y) * wide + left) * channels);
    }
  }
  paint(canvas, whole, rows * height, wide, channels);
}

function show(pixels) {
  const [height, width, channels] = state.about.shape;
  state.decoded = pixels;
  paint($("decoded"), pixels, height, width, channels);
  if (!state.original) return;
  paint($("original"), state.original, height, width, channels);
  paint($("difference"), pixels.map((value, i) => Math.abs(value - state.original[i])), height, width, channels);
}

// One request at a time; of those that come meanwhile, the latest.

function latest(act) {
  let busy = false, waiting = false;
  return async function run() {
    waiting = true;
    if (busy) return;
    busy = true;
    while (waiting) {
      waiting = false;
      try {
        await act();
      } catch (error) {
        say(error);
      }
    }
    busy = false;
  };
}

const decode = latest(async () => {
  const begun = performance.now();
  show(await backend.decode(state.model, [state.z], state.label));
  await new Promise(requestAnimationFrame);
  $("took").textContent = `${(performance.now() - begun).toFixed(0)} ms to new pixels`;
  document.body.dataset.shown = String(Number(document.body.dataset.shown ?? 0) + 1);
  clearTimeout(idle);
  idle = setTimeout(() => { strip(); every(); }, IDLE);
});

const strip = latest(async () => {
  if (state.z.length !== state.about.latent) return;
  const known = latentOf(state.chosen), codes = [];
  for (let i = 0; i < STRIP; i++) {
    const z = [...state.z];
    z[state.chosen] = known.low + ((known.high - known.low) * i) / (STRIP - 1);
    codes.push(z);
  }
  tiled($("strip"), await backend.decode(state.model, codes, state.label), STRIP, STRIP);
});

const every = latest(async () => {
  if (!state.about.classes) return;
  tiled($("every"), await backend.labels(state.model, state.z), state.about.classes, state.about.classes);
});

// Latents

const called = (index) => `z${index + 1}`; // as in every other picture
const latentOf = (index) => state.about.latents.find((latent) => latent.index === index);

function limits(latent) {
  if (!state.about.prior) return [latent.low - 0.2 * (latent.high - latent.low || 1), latent.high + 0.2 * (latent.high - latent.low || 1)];
  const end = Math.max(3, Math.abs(latent.low), Math.abs(latent.high)) * 1.05;
  return [-end, end];
}

function sliders() {
  $("sliders").replaceChildren(...state.about.latents.map((latent) => {
    const [low, high] = limits(latent), line = document.createElement("div");
    line.className = "latent";
    line.dataset.latent = latent.index;
    const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
    const name = document.createElement("label");
    name.textContent = called(latent.index);
    if (latent.follows) {
      const follows = Object.assign(document.createElement("small"), { textContent: latent.follows, title: `explains ${Math.round(100 * latent.share)} % of the variance of this factor` });
      name.append(follows);
    }
    name.htmlFor = `z${latent.index}`;
    const track = document.createElement("div");
    track.className = "track";
    const mark = (kind, from, to) => {
      const bar = document.createElement("i");
      bar.className = `mark ${kind}`;
      bar.style.left = place(from);
      if (to !== undefined) bar.style.width = `calc(${place(to)} - ${place(from)})`;
      track.append(bar);
      return bar;
    };
    mark("range", latent.low, latent.high);
    if (state.about.prior) for (const end of [-2, 2]) mark("two", end);
    mark("posterior", 0, 0).hidden = true;
    const input = Object.assign(document.createElement("input"), { type: "range", id: `z${latent.index}`, min: low, max: high, step: (high - low) / 400 });
    input.addEventListener("input", () => {
      say(null);
      state.z[latent.index] = Number(input.value);
      choose(latent.index);
      refresh();
    });
    input.addEventListener("focus", () => choose(latent.index));
    track.append(input);
    const told = document.createElement("output");
    line.append(name, track, told);
    return line;
  }));
  choose(state.about.latents[0].index);
}

function choose(index) {
  if (state.chosen !== index) strip();
  state.chosen = index;
  $("chosen").textContent = called(index);
  for (const line of $("sliders").children) line.classList.toggle("chosen", Number(line.dataset.latent) === index);
}

function refresh(moved = true) {
  for (const latent of state.about.latents) {
    const [low, high] = limits(latent), line = $(`z${latent.index}`).closest(".latent"), input = line.querySelector("input");
    if (Number(input.value) !== state.z[latent.index]) input.value = state.z[latent.index];
    line.querySelector("output").textContent = `${state.z[latent.index].toFixed(2)} · ${latent.rate.toFixed(2)} ${state.about.unit}`;
    const bar = line.querySelector(".posterior"), place = (v) => (100 * (Math.min(Math.max(v, low), high) - low)) / (high - low);
    bar.hidden = !state.posterior;
    if (state.posterior) {
      const { mean, deviation } = state.posterior, at = mean[latent.index], wide = Math.max(deviation[latent.index], 0.01);
      bar.style.left = `${place(at - wide)}%`;
      bar.style.width = `${place(at + wide) - place(at - wide)}%`;
    }
  }
  const kept = new URLSearchParams({ model: state.model, z: state.z.map((v) => Number(v.toFixed(3))).join(",") });
  if (state.label !== null) kept.set("label", state.label);
  history.replaceState(null, "", `#${kept}`);
  if (moved) decode();
}

function start(posterior, original, words) {
  state.posterior = posterior;
  state.original = original;
  state.start = [...posterior.mean];
  state.z = [...posterior.mean];
  if (state.about.classes && posterior.label !== null) pick(posterior.label, false);
  $("started").textContent = words;
  refresh();
}

// What a person asks for: what went wrong with it is said until the next thing is asked.

const guarded = (act) => async (...given) => {
  say(null);
  try {
    await act(...given);
  } catch (error) {
    say(error);
  }
};

async function fromTest(index) {
  const model = state.model, [posterior, original] = [await backend.encodeTest(model, index), await backend.test(model, index)];
  if (model !== state.model) return;
  state.test = index;
  start(posterior, original, `test image ${index}`);
}

async function fromPixels(pixels, words) {
  const model = state.model, posterior = await backend.encode(model, pixels, state.label);
  if (model !== state.model) return;
  state.test = null;
  start(posterior, pixels, words);
}

// An image of any kind, cropped to the middle and resized to the model's shape.

function fitted(source, sourceWidth, sourceHeight) {
  const [height, width, channels] = state.about.shape, canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d");
  const scale = Math.max(width / sourceWidth, height / sourceHeight), w = sourceWidth * scale, h = sourceHeight * scale;
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(source, (width - w) / 2, (height - h) / 2, w, h);
  const data = pen.getImageData(0, 0, width, height).data, pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const rgb = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels >= 3) pixels.set(rgb, channels * i);
    else pixels[channels * i] = Math.round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]);
  }
  return pixels;
}

const fromFile = guarded(async (file) => {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no image that this browser reads; drop a PNG, JPEG or WebP.`);
  }
  await fromPixels(fitted(picture, picture.width, picture.height), file.name);
});

// Drawing, for grey images: white on black, as digits are

function drawing() {
  const pad = $("pad"), pen = pad.getContext("2d");
  let down = false;
  const wipe = () => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, pad.width, pad.height);
  };
  const at = (event) => [(event.offsetX * pad.width) / pad.clientWidth, (event.offsetY * pad.height) / pad.clientHeight];
  const encode = latest(() => fromPixels(fitted(pad, pad.width, pad.height), "drawn"));
  pad.addEventListener("pointerdown", (event) => {
    say(null);
    down = true;
    pad.setPointerCapture(event.pointerId);
    Object.assign(pen, { lineWidth: pad.width / 11, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    pen.beginPath();
    pen.moveTo(...at(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!down) return;
    pen.lineTo(...at(event));
    pen.stroke();
    encode();
  });
  for (const kind of ["pointerup", "pointercancel"]) pad.addEventListener(kind, () => { if (down) encode(); down = false; });
  $("wipe").addEventListener("click", wipe);
  wipe();
}

// Labels, the plane, the curve, test images

function pick(label, moved = true) {
  state.label = label;
  for (const button of $("labels").children) button.setAttribute("aria-pressed", String(Number(button.textContent) === label));
  if (moved) refresh();
  if (state.about.latent === 2) plane();
}

function labels() {
  $("labels").hidden = $("row").hidden = !state.about.classes;
  $("labels").replaceChildren(...Array.from({ length: state.about.classes }, (_, label) => {
    const button = document.createElement("button");
    button.textContent = label;
    button.addEventListener("click", guarded(async () => pick(label)));
    return button;
  }));
  const before = state.label;
  state.label = null;
  if (state.about.classes) pick(before !== null && before < state.about.classes ? before : 0, false);
}

const plane = latest(async () => {
  $("plane").hidden = state.about.latent !== 2;
  if (state.about.latent !== 2) return;
  const model = state.model, pixels = await backend.plane(model, state.label), [height, width, channels] = state.about.shape;
  if (model !== state.model) return;
  const across = Math.sqrt(pixels.length / (height * width * channels)), map = $("map"), small = document.createElement("canvas");
  tiled(small, pixels, across * across, across);
  map.width = map.height = 800;
  map.getContext("2d").imageSmoothingEnabled = false;
  map.getContext("2d").drawImage(small, 0, 0, 800, 800);
  if (!state.about.codes || state.about.classes) return;
  const pen = map.getContext("2d");
  state.about.codes.forEach(([x, y], i) => {
    const [left, top] = toMap(x, y);
    pen.fillStyle = state.about.labels ? `hsl(${(360 * state.about.labels[i]) / (Math.max(...state.about.labels) + 1)} 85% 55%)` : "#2a6fbb";
    pen.beginPath();
    pen.arc(left * map.width, top * map.height, 4, 0, 7);
    pen.fill();
  });
});

const ends = () => [0, 1].map((index) => Math.max(Math.abs(latentOf(index).low), Math.abs(latentOf(index).high)));
const toMap = (x, y) => [0.5 + x / ends()[0] / 2, 0.5 - y / ends()[1] / 2];

function curve() {
  const rows = state.models.map((row, index) => ({ ...row, index })).filter((row) => row.rate !== undefined);
  $("curve").hidden = rows.length < 2;
  if (rows.length < 2) return;
  const span = (name) => [Math.min(...rows.map((row) => row[name])), Math.max(...rows.map((row) => row[name]))];
  const [[r0, r1], [d0, d1]] = [span("rate"), span("distortion")];
  const x = (rate) => 52 + (248 * (rate - r0)) / (r1 - r0 || 1), y = (distortion) => 190 - (170 * (distortion - d0)) / (d1 - d0 || 1);
  const make = (kind, how, text = "") => Object.assign(document.createElementNS("http://www.w3.org/2000/svg", kind), { textContent: text, how }) ;
  const nodes = rows.map((row) => {
    const dot = make("circle");
    for (const [name, value] of Object.entries({ cx: x(row.rate), cy: y(row.distortion), r: 6, tabindex: 0, "data-model": row.index })) dot.setAttribute(name, value);
    dot.classList.toggle("on", row.index === state.model);
    const title = make("title", null, words(row));
    dot.append(title);
    dot.addEventListener("click", () => open(row.index));
    dot.addEventListener("keydown", (event) => event.key === "Enter" && open(row.index));
    return dot;
  });
  const written = [[160, 215, "rate, nats"], [4, 12, "distortion, nats"], [40, 203, r0.toFixed(1)], [285, 203, r1.toFixed(1)], [8, 190, d0.toFixed(0)], [8, 24, d1.toFixed(0)]].map(([left, top, text]) => {
    const node = make("text", null, text);
    node.setAttribute("x", left);
    node.setAttribute("y", top);
    return node;
  });
  nodes.sort((one, other) => one.classList.contains("on") - other.classList.contains("on")); // the open model on top
  $("rd").replaceChildren(...written, ...nodes);
}

const words = (row) => Object.entries(row).filter(([name]) => !["rate", "distortion", "active_units", "index"].includes(name)).map(([name, value]) => `${name} ${value}`).join(", ");

function pickers() {
  const names = ["beta", ...Object.keys(state.models[0])].filter((name, i, all) => all.indexOf(name) === i && !["rate", "distortion", "active_units"].includes(name) && new Set(state.models.map((row) => row[name])).size > 1);
  $("pickers").replaceChildren(...names.map((name) => {
    const label = document.createElement("label"), select = document.createElement("select");
    select.name = name;
    const values = [...new Set(state.models.map((row) => row[name]))];
    select.replaceChildren(...values.map((value) => Object.assign(document.createElement("option"), { value, textContent: value })));
    select.value = state.models[state.model][name];
    select.addEventListener("change", () => {
      const wanted = { ...state.models[state.model], [name]: values[select.selectedIndex] };
      const index = state.models.findIndex((row) => names.every((other) => row[other] === wanted[other]));
      if (index < 0) say(`no model with ${names.map((other) => `${other} ${wanted[other]}`).join(", ")}.`);
      else open(index);
    });
    label.append(`${name === "beta" ? "β" : name} `, select);
    return label;
  }));
}

async function thumbs() {
  const pixels = await backend.tests(state.model), [height, width, channels] = state.about.shape, size = height * width * channels;
  $("thumbs").replaceChildren(...Array.from({ length: pixels.length / size }, (_, i) => {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    button.title = `test image ${i}`;
    paint(canvas, pixels.subarray(i * size, (i + 1) * size), height, width, channels);
    button.append(canvas);
    button.addEventListener("click", () => guarded(fromTest)(i));
    return button;
  }));
}

// From the first model on

let opened = 0;

async function openModel(index, kept = null) {
  const mine = ++opened, before = state.about, { label, test } = state, focus = document.activeElement;
  const about = await backend.about(index).catch((error) => {
    if (mine !== opened) return null;
    if (before) pickers(); // they show the model that is still open
    throw error;
  });
  if (mine !== opened) return; // another was asked for meanwhile
  Object.assign(state, { model: index, about, z: state.z.length === about.latent ? state.z : Array(about.latent).fill(0) });
  document.title = `${state.about.name} · vae_jax`;
  $("name").textContent = state.about.name;
  $("drawing").hidden = state.about.shape[2] !== 1;
  $("prior").hidden = !state.about.prior;
  pickers();
  curve();
  const again = focus?.name ? `select[name="${focus.name}"]` : focus?.dataset?.model ? `circle[data-model="${index}"]` : null;
  if (again) document.querySelector(again)?.focus();
  labels();
  sliders();
  if (!before) await thumbs();
  $("strips").hidden = backend.strip === null;
  await (test === null ? fromPixels(state.original, $("started").textContent) : fromTest(test));
  if (mine !== opened) return;
  const wanted = kept ? kept.label : before ? label : null;
  if (Number.isInteger(wanted) && wanted >= 0 && wanted < state.about.classes) pick(wanted, false);
  if (kept && kept.z.length === state.about.latent) state.z = kept.z;
  refresh();
  plane();
  document.body.dataset.ready = "yes";
}

const open = guarded(openModel);

$("reset").addEventListener("click", guarded(async () => { state.z = [...state.start]; if (state.about) refresh(); }));
$("prior").addEventListener("click", guarded(async () => { state.posterior = null; state.z = await backend.prior(state.model, seed++, state.label); refresh(); }));
$("random").addEventListener("click", guarded(async () => state.about && fromTest(Math.floor(Math.random() * state.about.tests))));
$("file").addEventListener("change", async (event) => {
  if (event.target.files[0]) await fromFile(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
for (const kind of ["png", "gif"]) {
  $(kind).addEventListener("click", guarded(async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await backend.strip(state.model, state.z, state.chosen, kind, state.label));
    link.download = `${called(state.chosen)}.${kind}`;
    link.click();
  }));
}
document.addEventListener("keydown", (event) => { if (event.key === "r" && !event.ctrlKey && !event.metaKey) $("reset").click(); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("drop"); });
document.addEventListener("dragleave", () => document.body.classList.remove("drop"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("drop");
  if (event.dataTransfer.files[0]) fromFile(event.dataTransfer.files[0]);
});
$("map").addEventListener("pointermove", (event) => {
  const [x, y] = ends();
  say(null);
  state.z = [(2 * event.offsetX / $("map").clientWidth - 1) * x, (1 - 2 * event.offsetY / $("map").clientHeight) * y];
  refresh();
});

drawing();
guarded(async () => {
  const hash = new URLSearchParams(location.hash.slice(1)), z = (hash.get("z") ?? "").split(",").filter(Boolean).map(Number);
  const kept = z.length && z.every(Number.isFinite) ? { z, label: hash.has("label") ? Number(hash.get("label")) : null } : null;
  state.models = await backend.models();
  const index = Number(hash.get("model") ?? 0);
  await openModel(Number.isInteger(index) && index >= 0 && index < state.models.length ? index : 0, kept);
})();
addEventListener("hashchange", () => location.reload()); // a link that was pasted
