// What the page asks of the server. Each returns bytes or JSON; an error is one plain line.

async function ask(name, query, body) {
  const found = await fetch(`${name}?${new URLSearchParams(query)}`, { method: "POST", body: body ?? "" }).catch(() => {
    throw new Error("the server does not answer; is explore.py still running?");
  });
  if (!found.ok) throw new Error(await found.text());
  return found;
}

const bytes = async (found) => new Uint8Array(await found.arrayBuffer());
const labelled = (label) => (label === null ? {} : { label });

export const remote = {
  models: async () => (await fetch("models")).json(),
  about: async (model) => (await ask("about", { model })).json(),
  decode: async (model, codes, label) => bytes(await ask("decode", { model, ...labelled(label) }, JSON.stringify(codes))),
  labels: async (model, z) => bytes(await ask("labels", { model }, JSON.stringify(z))),
  encodeTest: async (model, test) => (await ask("encode", { model, test })).json(),
  encode: async (model, pixels, label) => (await ask("encode", { model, ...labelled(label) }, pixels)).json(),
  tests: async (model) => bytes(await ask("test", { model })),
  test: async (model, test) => bytes(await ask("test", { model, test })),
  prior: async (model, seed, label) => (await ask("prior", { model, seed, ...labelled(label) })).json(),
  plane: async (model, label) => bytes(await ask("plane", { model, ...labelled(label) })),
  strip: async (model, z, latent, kind, label) =>
    (await ask("strip", { model, latent, kind, ...labelled(label) }, JSON.stringify(z))).blob(),
};
