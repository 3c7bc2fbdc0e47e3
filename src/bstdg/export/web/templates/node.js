"use strict";
/* Runs the engine of an exported page under Node. For each line of standard input, {"page": path, "steps": base64},
 * one line comes back: what the engine in that page computes for these input steps, or {"error": text}. */
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
  for (const code of ["code-engine", "code-ink", "code-proof"]) vm.runInContext(part(html, code), context);
  return { bstdg: context.bstdg, model: JSON.parse(part(html, "model")) };
}

function answer(line) {
  const request = JSON.parse(line);
  const { bstdg, model } = open(request.page);
  const network = bstdg.network(model);
  if (request.strokes) return request.strokes.map((strokes) => Array.from(bstdg.ink.pixels(strokes, network)));
  if (request.pixels) return Array.from(bstdg.latency(request.pixels, network));
  if (request.samples) return bstdg.proof.samples(network, model.samples);
  return bstdg.proof.vectors(network, Buffer.from(request.steps, "base64"));
}

const say = (text) => fs.writeSync(1, `${text}\n`);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  try {
    say(JSON.stringify(answer(line)));
  } catch (error) {
    say(JSON.stringify({ error: String(error) }));
  }
});
