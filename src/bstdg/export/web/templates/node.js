"use strict";
/* Runs the engine of an exported page under Node. For each line of standard input, {"page": path, "steps": base64},
 * one line comes back: what the engine in that page computes for these input steps, or {"error": text}; with "images",
 * base64 too, also the steps that it makes of these. */
const fs = require("fs");
const vm = require("vm");

function part(html, id) {
  const found = html.match(new RegExp(`<script id="${id}"[^>]*>([^]*?)</script>`));
  if (!found) throw new Error(`the page has no part "${id}"`);
  return found[1];
}

function open(page) {
  const html = fs.readFileSync(page, "utf8");
  const context = vm.createContext({ atob, btoa });
  for (const name of ["engine", "layers", "ink", "pictures", "curve", "proof"]) vm.runInContext(part(html, `code-${name}`), context);
  return { bstdg: context.bstdg, model: JSON.parse(part(html, "model")) };
}

function answer(line) {
  const request = JSON.parse(line);
  const { bstdg, model } = open(request.page);
  const network = bstdg.network(model);
  if (request.strokes) return request.strokes.map((strokes) => Array.from(bstdg.ink.pixels(strokes, network)));
  if (request.pixels) return Array.from(bstdg.latency(request.pixels, network));
  if (request.signals) {
    return request.signals.map(({ strokes, over }) => {
      return Array.from(bstdg.curve.pixels(strokes, network, over && bstdg.curve.ofSteps(over, network)));
    });
  }
  if (request.counts) {
    return request.counts.map((steps) => {
      const { inputSpikes, hiddenSpikes, operations } = bstdg.run(network, Uint8Array.from(steps));
      return { inputSpikes, hiddenSpikes, operations };
    });
  }
  if (request.samples) return bstdg.proof.samples(network, model.samples);
  const told = bstdg.proof.vectors(network, Buffer.from(request.steps, "base64"));
  return request.images ? { ...told, encoded: bstdg.proof.encoded(network, Buffer.from(request.images, "base64")) } : told;
}

const say = (text) => fs.writeSync(1, `${text}\n`);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  try {
    say(JSON.stringify(answer(line)));
  } catch (error) {
    say(JSON.stringify({ error: String(error) }));
  }
});
