import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";
import { say } from "../../i18n";
import { mathRules } from "./math_rules";
import { taskRules } from "./task_rules";

const parser = new MarkdownIt({ html: true, linkify: true, breaks: false });
parser.use(mathRules).use(taskRules);

/** Pictures come from the notebook itself; the page makes no third-party requests. */
const LOCAL_IMAGE = /^(data:image\/|blob:)/i;

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
  if (node.tagName === "IMG" && !LOCAL_IMAGE.test(node.getAttribute("src") ?? "")) {
    const note = node.ownerDocument.createElement("span");
    note.className = "image-blocked";
    note.textContent = say("output.image_blocked", { name: node.getAttribute("alt") || node.getAttribute("src") || say("output.image_unnamed") });
    node.replaceWith(note);
  }
});

/** Markdown as HTML that carries no script, style sheet, form, frame or foreign request. */
export function renderMarkdown(source: string): string {
  return purifier.sanitize(parser.render(source), {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "iframe", "object", "embed", "audio", "video", "link", "base"],
    FORBID_ATTR: ["style", "srcset", "background", "ping", "id", "name"],
  });
}
