import { FilesPage } from "../files/FilesPage";
import { NotebookPage } from "../notebook/NotebookPage";
import { useStore } from "../store/store";
import { route } from "./navigation";
import type { Route } from "./route";

const whole = (value: Route) => value;

export function App() {
  const { path, session, dir } = useStore(route, whole);
  if (path) return <NotebookPage key={path} path={path} />;
  return session ? <NotebookPage key={session} remote={session} /> : <FilesPage dir={dir} />;
}
