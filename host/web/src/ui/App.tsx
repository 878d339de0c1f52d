import { lazy, Suspense } from "react";
import { NotebookPage } from "../notebook/NotebookPage";
import { useStore } from "../store/store";
import { placeOf, route } from "./navigation";
import type { Route } from "./route";

const whole = (value: Route) => value;

/** A notebook does without the code of the list of files. */
const filesCode = () => import("../files/FilesPage");
const FilesPage = lazy(() => filesCode().then((code) => ({ default: code.FilesPage })));
const first = route.get();
// What is shown first is fetched along with the words.
if (!first.path && !first.session) void filesCode().catch(() => undefined);

export function App() {
  const { path, session, dir } = useStore(route, whole);
  if (path) return <NotebookPage key={placeOf(path)} path={path} />;
  if (session) return <NotebookPage key={session} remote={session} />;
  return (
    <Suspense fallback={null}>
      <FilesPage dir={dir} />
    </Suspense>
  );
}
