import { createRoot } from "react-dom/client";
import { preferredLanguage, showLanguage } from "./i18n";
import { App } from "./ui/App";
import { dropTokenFromAddress } from "./ui/route";
import "./ui/theme.css";
import "./ui/page.css";
import "./notebook/notebook.css";

dropTokenFromAddress();
const render = () => createRoot(document.getElementById("root")!).render(<App />);
// Words that cannot be fetched are no reason to show nothing: English is always there.
showLanguage(preferredLanguage()).then(render, render);
