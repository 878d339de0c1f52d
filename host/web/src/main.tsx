import { createRoot } from "react-dom/client";
import { preferredLanguage, showLanguage } from "./i18n";
import { App } from "./ui/App";
import { route } from "./ui/navigation";
import { dropTokenFromAddress } from "./ui/route";
import "./ui/theme.css";
import "./ui/page.css";
import "./notebook/notebook.css";

let fetched = false;

/** The editor's code is fetched with the first notebook and run when the first cells are painted, which do without it. */
function fetchEditor(): void {
  const { path, session } = route.get();
  if (fetched || !(path || session)) return;
  fetched = true;
  const address = document.querySelector<HTMLMetaElement>("meta[name=lectern-editor]")?.content;
  if (!address) return;
  const link = document.createElement("link");
  link.rel = "modulepreload";
  link.href = address;
  document.head.append(link);
}

dropTokenFromAddress();
fetchEditor();
route.subscribe(fetchEditor);
const render = () => createRoot(document.getElementById("root")!).render(<App />);
// Words that cannot be fetched are no reason to show nothing: English is always there.
showLanguage(preferredLanguage()).then(render, render);
