// The editor of a JSON text, with marks at its lines.

import { createJSONEditor } from "./vendor/jsoneditor.js";

const DARK = "jse-theme-dark";
const START = { type: "text", ranges: [{ anchor: 0, head: 0 }], main: 0 };
/** Buttons of the editor that are about its text alone. */
const BUTTONS = ["jse-format", "jse-undo", "jse-redo", "jse-search"];

/**
 * Make an editor in an element. `onText` is called when somebody has typed and pauses.
 *
 * What was typed is kept by its label as long as the tab is open, and comes back with the page.
 * Tab moves on to what follows the editor, so that nobody is caught in it.
 */
export function makeEditor(target, label, onText) {
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  target.classList.toggle(DARK, darkness.matches);
  target.addEventListener("keydown", leaveTabAlone, { capture: true });
  const editor = createJSONEditor({
    target,
    props: {
      content: { text: sessionStorage.getItem(label) ?? "" },
      mode: "text",
      ariaLabel: label,
      statusBar: false,
      navigationBar: false,
      onRenderMenu: (items) => items.filter(isAboutText),
      onChange: (content) => {
        sessionStorage.setItem(label, content.text ?? "");
        onText();
      },
    },
  });
  target.querySelector(".cm-content").tabIndex = 0;
  darkness.addEventListener("change", () => {
    target.classList.toggle(DARK, darkness.matches);
    editor.refresh();
  });
  return {
    getText() {
      editor.validate(); // takes in what was typed just now
      return editor.get().text ?? "";
    },
    setText(text) {
      editor.validate(); // else it may compare with what stood there before
      editor.updateProps({ content: { text }, selection: START });
      sessionStorage.setItem(label, text);
    },
    setMarks(marks) {
      editor.updateProps({ validator: () => marks });
    },
  };
}

function isAboutText(item) {
  return BUTTONS.some((name) => item.className?.includes(name));
}

function leaveTabAlone(event) {
  if (event.key === "Tab" && event.target.closest(".cm-content")) {
    event.stopPropagation();
  }
}
