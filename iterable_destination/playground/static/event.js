// The page of events: what the event in the editor becomes, and sending it.

import { ask, askNewest, get, isOutdated, showHtml, showMistake } from "./asking.js";
import { makeEditor } from "./editor.js";
import { showUser } from "./live.js";

/** Milliseconds after which somebody who types has paused. */
const PAUSE = 250;
const EXAMPLE = {
  type: "track",
  event: "Newsletter Subscribed",
  userId: "c-1001",
  messageId: "m-1",
  context: { traits: { email: "ada@example.com" } },
  properties: { plan: "pro" },
};

const explanation = document.querySelector("#explanation");
const outcomes = document.querySelector("#outcomes");
const send = document.querySelector("#send");
const sendSamples = document.querySelector("#send-samples");
const sample = document.querySelector("#sample");
const switches = document.querySelector("#switches");
const mappings = document.querySelector("#mappings");
const subscriptions = document.querySelector("#subscriptions");
const askTranslation = askNewest("/translate");
const editor = makeEditor(document.querySelector("#editor"), "Event, as JSON", translate);

let samples = [];
/** The user of the last translation. */
let lastUser = null;

function choices() {
  const boxes = [...switches.querySelectorAll("input")];
  const chosen = mappings.querySelector("input:checked").value;
  return {
    switches: Object.fromEntries(boxes.map((box) => [box.name, box.checked])),
    mappings: { classic: null, presets: "presets", own: subscriptions.value }[chosen],
  };
}

async function translate() {
  let answer;
  try {
    answer = await askTranslation({ text: editor.getText(), ...choices() });
  } catch (error) {
    if (isOutdated(error)) {
      return;
    }
    showMistake(explanation, error);
    answer = { marks: [], canSend: false };
  }
  if (answer.html !== undefined) {
    showHtml(explanation, answer.html);
  }
  document.querySelector("#summary").textContent = explanation.firstElementChild.textContent;
  editor.setMarks(answer.marks);
  send.disabled = !answer.canSend;
  if (answer.user && answer.user !== lastUser) {
    lastUser = answer.user;
    showUser(lastUser);
  }
}

async function deliver(path, asked) {
  outcomes.textContent = "Sending …";
  try {
    const answer = await ask(path, asked);
    showHtml(outcomes, answer.html);
    if (answer.user) {
      showUser(answer.user);
    }
  } catch (error) {
    showMistake(outcomes, error);
  }
}

function edit(text) {
  editor.setText(text);
  translate();
}

async function offerSamples() {
  try {
    samples = await get("/samples");
  } catch (error) {
    showMistake(outcomes, error);
  }
  samples.forEach((event, index) => sample.add(new Option(titleOf(event), index)));
  document.querySelector("#sample-row").hidden = sendSamples.hidden = samples.length === 0;
  if (editor.getText() === "") {
    // The first about somebody who is known.
    const first = Math.max(0, samples.findIndex((event) => event.type === "identify"));
    sample.value = first;
    edit(format(samples[first] ?? EXAMPLE));
  } else {
    sample.selectedIndex = -1; // what was typed before is there
    translate();
  }
}

function titleOf(event) {
  return String(event.messageId ?? [event.type, event.event ?? event.name].join(" "));
}

function format(value) {
  return JSON.stringify(value, null, 2);
}

async function open(event) {
  const [file] = event.target.files;
  if (!file) {
    return;
  }
  try {
    edit(await file.text());
  } catch {
    showMistake(outcomes, new Error("The file cannot be read."));
  }
  event.target.value = ""; // the same file can be opened again
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([editor.getText()], { type: "application/json" }));
  link.download = "event.json";
  link.click();
  URL.revokeObjectURL(link.href);
}

function chooseMappings() {
  const isOwn = mappings.querySelector("input:checked").value === "own";
  document.querySelector("#own-mappings").hidden = !isOwn;
  translate();
}

let typed;
subscriptions.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(translate, PAUSE);
});
sample.addEventListener("change", () => edit(format(samples[sample.value])));
document.querySelector("#upload").addEventListener("change", open);
document.querySelector("#download").addEventListener("click", save);
switches.addEventListener("change", translate);
mappings.querySelectorAll("input").forEach((each) => each.addEventListener("change", chooseMappings));
send.addEventListener("click", () => deliver("/send", { text: editor.getText(), ...choices() }));
sendSamples.addEventListener("click", () => deliver("/send-samples", choices()));
offerSamples();
