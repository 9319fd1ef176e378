// The page of webhooks: what a webhook of Iterable's becomes for Segment.

import { ask, askNewest, isOutdated, showHtml, showMistake } from "./asking.js";
import { makeEditor } from "./editor.js";
import "./live.js";

const track = document.querySelector("#track");
const posted = document.querySelector("#posted");
const user = document.querySelector("#of");
const askTrack = askNewest("/track");
const editor = makeEditor(document.querySelector("#editor"), "Webhook, as JSON", translate);

async function translate() {
  let answer;
  try {
    answer = await askTrack({ text: editor.getText() });
  } catch (error) {
    if (isOutdated(error)) {
      return;
    }
    showMistake(track, error);
    answer = { marks: [] };
  }
  if (answer.html !== undefined) {
    showHtml(track, answer.html);
  }
  document.querySelector("#summary").textContent = track.firstElementChild.textContent;
  editor.setMarks(answer.marks);
}

async function make(name) {
  posted.replaceChildren();
  try {
    const answer = await ask("/webhook", { name, user: user.value });
    posted.textContent = answer.posted;
    editor.setText(JSON.stringify(answer.webhook, null, 2));
    translate();
  } catch (error) {
    showMistake(posted, error);
  }
}

document.querySelector("#making").addEventListener("submit", (event) => {
  event.preventDefault();
  make(event.submitter?.value || document.querySelector("#name").value);
});
if (editor.getText() !== "") {
  translate();
}
