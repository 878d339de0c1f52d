import { createRoot } from "react-dom/client";
import { App } from "./ui/App";
import { dropTokenFromAddress } from "./ui/route";
import "./ui/theme.css";
import "./ui/page.css";
import "./notebook/notebook.css";

dropTokenFromAddress();
createRoot(document.getElementById("root")!).render(<App />);
