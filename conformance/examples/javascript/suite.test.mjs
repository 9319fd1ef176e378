// Runs the cases of the rules that are implemented, each as a test: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { translate } from "./mapping.mjs";
import { compare, loadCases } from "./suite.mjs";

for (const each of loadCases("classic", ["5", "7"])) {
  test(`${each.id}: ${each.shows}`, () => {
    assert.deepEqual(compare(each.output, translate(each.input, each.settings)), []);
  });
}
