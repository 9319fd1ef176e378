// Loads the cases of the suite, and compares what an implementation gives with what they say.
// No dependencies; Node 18 or later. Take it as it is, or translate it.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of the suite, which has this one in examples/. */
const SUITE = fileURLToPath(new URL("../../", import.meta.url));

const read = (path) => JSON.parse(readFileSync(`${SUITE}/${path}`, "utf8"));

/** Returns the cases of a system, each with its `id`, and of some rules if any are given. */
export function loadCases(system, rules = []) {
  const presets = read("presets.json");
  const cases = readdirSync(`${SUITE}/${system}`)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => ({ id: name.slice(0, -".json".length), ...read(`${system}/${name}`) }))
    .map((each) => (each.presets ? { ...each, subscriptions: presets } : each))
    .filter((each) => rules.length === 0 || rules.includes(each.rule));
  if (cases.length === 0) throw new Error(`there are no cases of ${system} ${rules}`);
  return cases;
}

/** Returns the output that Segment's original gives for a case; undefined if that is not known. */
export const outputOfOriginal = (each) => (each.original ?? each).output;

/**
 * Returns the differences between an expected output and one that is given; none if it fits.
 * `notes: false` compares no notes; `original: true` compares with Segment's original.
 */
export function compare(expected, given, { notes = true, original = false } = {}) {
  const readers = original ? OF_ORIGINAL : COMPARED;
  return Object.keys(readers)
    .filter((key) => (has(expected, key) || has(given, key)) && (notes || key !== "notes"))
    .flatMap((key) => {
      const [wanted, found] = [expected, given].map((output) => part(output, key, readers));
      return differences(wanted, found, key, original ? TIMES : []);
    });
}

function part(output, key, readers) {
  if (!has(output, key)) return undefined;
  try {
    return readers[key](output[key]);
  } catch {
    return output[key]; // of another form, which differs
  }
}

const has = (object, key) => Object.hasOwn(object ?? {}, key);
const asItIs = (value) => value;
const isThere = () => true;

/** What is compared of problems and notes: place and code, in an order of their own. */
const findings = (list) => list.map(({ path, code }) => `${path} ${code}`).sort();

/** What is compared of each part of an output; other parts are passed over. */
const COMPARED = {
  messageId: asItIs,
  calls: asItIs,
  skipped: isThere,
  error: (error) => findings(error.problems),
  errors: (errors) => errors.map((each) => [each.subscription, findings(each.problems)]),
  notes: findings,
  track: asItIs,
  ignored: isThere,
  returned: ({ statusCode, batchItemFailures }) => ({ statusCode, batchItemFailures }),
  raised: isThere,
  delivered: asItIs,
};

const { messageId, notes, ...OTHERS } = COMPARED;
const OF_ORIGINAL = { ...OTHERS, error: isThere, errors: isThere };
/** Where the original puts the moment of translation, if an event has no time. */
const TIMES = ["createdAt", "profileUpdatedAt"];

/** Keys that are optional are passed over where they are not expected. */
function differences(expected, given, place, optional) {
  if (expected === "<now>" && given !== undefined && given !== null) return [];
  if (isObject(expected) && isObject(given)) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(given)])];
    return keys
      .filter((key) => has(expected, key) || !optional.includes(key))
      .flatMap((key) => differences(expected[key], given[key], `${place}.${key}`, optional));
  }
  if (Array.isArray(expected) && Array.isArray(given) && expected.length === given.length) {
    return expected.flatMap((each, index) =>
      differences(each, given[index], `${place}[${index}]`, optional),
    );
  }
  return expected === given ? [] : [`${place}: expected ${show(expected)}, not ${show(given)}`];
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const show = (value) => (value === undefined ? "nothing" : JSON.stringify(value));
