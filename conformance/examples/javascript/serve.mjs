// Answers the requests of a runner: iterable-destination conformance run --exec "node serve.mjs"

import { createInterface } from "node:readline";

import { translate } from "./mapping.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const { id, settings, input } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ id, output: translate(input, settings) }));
  } catch (error) {
    console.log(JSON.stringify({ id, failure: String(error) }));
  }
}
