import { FilesPage } from "../files/FilesPage";
import { NotebookPage } from "../notebook/NotebookPage";
import { useStore } from "../store/store";
import { route } from "./navigation";
import type { Route } from "./route";

const whole = (value: Route) => value;

export function App() {
  const { path, dir } = useStore(route, whole);
  return path ? <NotebookPage key={path} path={path} /> : <FilesPage dir={dir} />;
}
