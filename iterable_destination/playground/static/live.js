// The local Iterable: a user, and what arrives.

import { askNewest, isOutdated, showHtml, showMistake, tellWhetherItRuns } from "./asking.js";

const MAX_SHOWN = 50;
/** Names to choose from. */
const MAX_NAMES = 200;
/** Milliseconds in which things that arrive together are taken as one change. */
const TOGETHER = 100;
/** Milliseconds until the stream is opened again, where the browser does not. */
const REOPEN = 2000;

const user = document.querySelector("#user");
const userName = document.querySelector("#user-name");
const names = document.querySelector("#users");
const arrivals = document.querySelector("#arrivals");
const arrived = document.querySelector("#arrived");
const askUser = askNewest("/user");

/** The email or userId of the user that is shown, "" for none. */
let shown = "";
let count = 0;
/** Names of users whom something arrived about since the page was last brought up to date. */
let touched = new Set();

/** Show a user, by email or userId. */
export async function showUser(name) {
  shown = name;
  userName.value = name;
  try {
    showHtml(user, (await askUser({ user: name })).html);
  } catch (error) {
    if (!isOutdated(error)) {
      showMistake(user, error);
    }
  }
}

function takeIn(message) {
  const { users, html } = JSON.parse(message.data);
  arrivals.insertAdjacentHTML("afterbegin", html);
  while (arrivals.children.length > MAX_SHOWN) {
    arrivals.lastElementChild.remove();
  }
  count += 1;
  if (touched.size === 0) {
    setTimeout(bringUpToDate, TOGETHER);
  }
  touched.add("");
  users.forEach((name) => touched.add(name.toLowerCase()));
  users.forEach(addName);
}

function bringUpToDate() {
  const isOfShown = [shown, ...namesOfShown()].some((name) => name && touched.has(name.toLowerCase()));
  touched = new Set();
  arrived.textContent = `${count} arrived${count > MAX_SHOWN ? `, the newest ${MAX_SHOWN} are shown` : ""}.`;
  if (isOfShown) {
    showUser(shown);
  }
}

/** The email and the userId of the user that is shown. */
function namesOfShown() {
  return [...user.querySelectorAll("[data-name]")].map((each) => each.textContent);
}

function addName(name) {
  if (names.children.length < MAX_NAMES && ![...names.children].some((each) => each.value === name)) {
    const option = document.createElement("option");
    option.value = name;
    names.append(option);
  }
}

function listen() {
  const changes = new EventSource("/changes");
  changes.addEventListener("open", () => {
    tellWhetherItRuns(true);
    arrivals.replaceChildren(); // the newest ones come again
    count = 0;
  });
  changes.addEventListener("message", takeIn);
  changes.addEventListener("error", () => {
    tellWhetherItRuns(false);
    if (changes.readyState === EventSource.CLOSED) {
      setTimeout(listen, REOPEN);
    }
  });
}

async function copyCommand() {
  const button = document.querySelector("#copy");
  try {
    await navigator.clipboard.writeText(document.querySelector("#command").textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Cannot copy";
  }
}

document.querySelector("#lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  showUser(userName.value);
});
arrivals.addEventListener("click", (event) => {
  const button = event.target.closest("[data-user]");
  if (button) {
    showUser(button.dataset.user);
  }
});
document.querySelector("#copy").addEventListener("click", copyCommand);
listen();
