// The model inside the page: the operations of its encoder and decoder on arrays `{ shape, data }`, the batch first.

const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);
const each = (x, f) => ({ shape: x.shape, data: x.data.map(f) });

function product(x, w, b) {
  const [rows, inner] = x.shape, columns = w.shape[1], data = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    const to = data.subarray(r * columns, (r + 1) * columns);
    to.set(b.data);
    for (let i = 0; i < inner; i++) {
      const value = x.data[r * inner + i];
      if (value === 0) continue;
      for (let c = 0; c < columns; c++) to[c] += value * w.data[i * columns + c];
    }
  }
  return { shape: [rows, columns], data };
}

function transpose(x, order) {
  const shape = order.map((axis) => x.shape[axis]), strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)));
  const data = new Float32Array(x.data.length), at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = x.data[order.reduce((sum, axis, k) => sum + at[k] * strides[axis], 0)];
    for (let k = shape.length - 1; k >= 0 && ++at[k] === shape[k]; k--) at[k] = 0;
  }
  return { shape, data };
}

// 4×4 kernels, stride 2, one pixel of padding: `[n, channels, height, width]`.

function convolved(x, w, b) {
  const [n, channels, height, width] = x.shape, features = w.shape[0], h = height / 2, wide = width / 2;
  const data = new Float32Array(n * features * h * wide);
  for (let e = 0; e < n; e++) for (let f = 0; f < features; f++) for (let i = 0; i < h; i++) for (let j = 0; j < wide; j++) {
    let sum = b.data[f];
    for (let c = 0; c < channels; c++) for (let u = 0; u < 4; u++) {
      const row = 2 * i + u - 1;
      if (row < 0 || row >= height) continue;
      for (let v = 0; v < 4; v++) {
        const column = 2 * j + v - 1;
        if (column >= 0 && column < width) sum += x.data[((e * channels + c) * height + row) * width + column] * w.data[((f * channels + c) * 4 + u) * 4 + v];
      }
    }
    data[((e * features + f) * h + i) * wide + j] = sum;
  }
  return { shape: [n, features, h, wide], data };
}

function spread(x, w, b) {
  const [n, channels, height, width] = x.shape, features = w.shape[1], h = 2 * height, wide = 2 * width;
  const data = new Float32Array(n * features * h * wide);
  for (let e = 0; e < n; e++) for (let f = 0; f < features; f++) {
    const plane = data.subarray((e * features + f) * h * wide, (e * features + f + 1) * h * wide).fill(b.data[f]);
    for (let c = 0; c < channels; c++) for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) {
      const value = x.data[((e * channels + c) * height + i) * width + j];
      if (value === 0) continue;
      for (let u = 0; u < 4; u++) {
        const row = 2 * i + u - 1;
        if (row < 0 || row >= h) continue;
        for (let v = 0; v < 4; v++) {
          const column = 2 * j + v - 1;
          if (column >= 0 && column < wide) plane[row * wide + column] += value * w.data[((c * features + f) * 4 + u) * 4 + v];
        }
      }
    }
  }
  return { shape: [n, features, h, wide], data };
}

function sliced(x, starts, stops, axes) {
  const from = x.shape.map(() => 0), to = [...x.shape];
  axes.forEach((axis, k) => { from[axis] = starts[k]; to[axis] = Math.min(stops[k], x.shape[axis]); });
  const shape = to.map((stop, axis) => stop - from[axis]), strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)));
  const data = new Float32Array(sizeOf(shape)), at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = x.data[at.reduce((sum, a, axis) => sum + (a + from[axis]) * strides[axis], 0)];
    for (let k = shape.length - 1; k >= 0 && ++at[k] === shape[k]; k--) at[k] = 0;
  }
  return { shape, data };
}

function padded(x, pads) {
  const rank = x.shape.length, shape = x.shape.map((size, axis) => size + pads[axis] + pads[rank + axis]);
  const data = new Float32Array(sizeOf(shape)), strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1))), at = x.shape.map(() => 0);
  for (let i = 0; i < x.data.length; i++) {
    data[at.reduce((sum, a, axis) => sum + (a + pads[axis]) * strides[axis], 0)] = x.data[i];
    for (let k = rank - 1; k >= 0 && ++at[k] === x.shape[k]; k--) at[k] = 0;
  }
  return { shape, data };
}

const OPERATIONS = {
  Gemm: ([x, w, b]) => [product(x, w, b)],
  Relu: ([x]) => [each(x, (v) => Math.max(v, 0))],
  Sigmoid: ([x]) => [each(x, (v) => 1 / (1 + Math.exp(-v)))],
  Exp: ([x]) => [each(x, Math.exp)],
  Log: ([x]) => [each(x, Math.log)],
  Add: ([x, w]) => [each(x, (v) => v + w.data[0])],
  Identity: ([x]) => [x],
  Flatten: ([x]) => [{ shape: [x.shape[0], sizeOf(x.shape.slice(1))], data: x.data }],
  Reshape: ([x, shape]) => [{ shape: [x.shape[0], ...shape.data.slice(1)], data: x.data }],
  Transpose: ([x], { perm }) => [transpose(x, perm)],
  Pad: ([x, pads]) => [padded(x, pads.data)],
  Conv: ([x, w, b]) => [convolved(x, w, b)],
  ConvTranspose: ([x, w, b]) => [spread(x, w, b)],
  Slice: ([x, starts, stops, axes]) => [sliced(x, starts.data, stops.data, axes.data)],
  Split: ([x, sizes], { axis }) => [[0, sizes.data[0]], [sizes.data[0], sizes.data[0] + sizes.data[1]]].map(([from, to]) => sliced(x, [from], [to], [axis])),
};

function run(graph, given) {
  const known = { ...graph.weights, ...given };
  for (const [kind, inputs, outputs, attributes] of graph.nodes) {
    OPERATIONS[kind](inputs.map((name) => known[name]), attributes).forEach((value, i) => { known[outputs[i]] = value; });
  }
  return known;
}

function numbers(text, kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return kind === "float32" ? new Float32Array(bytes.buffer) : kind === "uint8" ? bytes : Array.from(new Int32Array(bytes.buffer));
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

export function backendOf(kept) {
  const { about } = kept, size = sizeOf(about.shape), images = numbers(kept.images, "uint8");
  const graphs = Object.fromEntries(Object.entries(kept.graphs).map(([name, { nodes, weights }]) => [
    name,
    { nodes, weights: Object.fromEntries(Object.entries(weights).map(([key, [kind, shape, text]]) => [key, { shape, data: numbers(text, kind) }])) },
  ]));
  const decode = (codes) => {
    const { x } = run(graphs.decoder, { z: { shape: [codes.length, about.latent], data: Float32Array.from(codes.flat()) } });
    return Uint8Array.from(x.data, (value) => Math.round(255 * Math.min(Math.max(value, 0), 1)));
  };
  const encode = (pixels) => {
    const seen = about.binary ? (value) => Number(value / 255 >= 0.5) : (value) => value / 255;
    const found = run(graphs.encoder, { x: { shape: [1, ...about.shape], data: Float32Array.from(pixels, seen) } });
    const deviation = found.log_var ? Array.from(found.log_var.data, (value) => Math.exp(value / 2)) : Array(about.latent).fill(0);
    return { mean: Array.from(found.mean.data), deviation, label: null };
  };
  const test = (index) => images.slice(index * size, (index + 1) * size);
  return {
    models: async () => [{ seed: 0 }],
    about: async () => about,
    decode: async (_, codes) => decode(codes),
    labels: async () => new Uint8Array(),
    encodeTest: async (_, index) => ({ mean: kept.starts[0][index], deviation: kept.starts[1][index], label: null }),
    encode: async (_, pixels) => encode(pixels),
    tests: async () => images,
    test: async (_, index) => test(index),
    prior: async () => Array.from({ length: about.latent }, normal),
    plane: async () => {
      const ends = [0, 1].map((index) => about.latents.find((latent) => latent.index === index)).map(({ low, high }) => Math.max(Math.abs(low), Math.abs(high)));
      const at = (i, end) => end * ((2 * i) / (about.plane - 1) - 1), whole = new Uint8Array(about.plane ** 2 * size);
      for (let i = 0; i < about.plane; i++) for (let j = 0; j < about.plane; j++) whole.set(decode([[at(j, ends[0]), -at(i, ends[1])]]), (i * about.plane + j) * size);
      return whole;
    },
    strip: null,
    raw: (z) => run(graphs.decoder, { z: { shape: [1, about.latent], data: Float32Array.from(z) } }).x.data,
  };
}
