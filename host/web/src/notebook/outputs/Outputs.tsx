import { lazy, memo, Suspense } from "react";
import type { Output } from "../../wire/types";
import { OutputView } from "./OutputView";

const WidgetOutputs = lazy(() => import("../../widgets/WidgetOutputs").then((module) => ({ default: module.WidgetOutputs })));

function isWidget(output: Output): boolean {
  return (output.output_type === "display_data" || output.output_type === "execute_result") && output.data["application/vnd.jupyter.widget-view+json"] !== undefined;
}

export const Outputs = memo(function Outputs({ outputs, label }: { outputs: Output[]; label: string }) {
  if (outputs.length === 0) return null;
  const first = outputs.findIndex(isWidget);
  const end = first < 0 ? 0 : outputs.map(isWidget).lastIndexOf(true) + 1;
  return (
    <div className="outputs" role="region" aria-label={label} data-testid="outputs">
      {(first < 0 ? outputs : outputs.slice(0, first)).map((output, at) => (
        <OutputView key={at} output={output} />
      ))}
      {first >= 0 && (
        <Suspense>
          <WidgetRange outputs={outputs} first={first} end={end} />
        </Suspense>
      )}
      {first >= 0 && outputs.slice(end).map((output, at) => <OutputView key={end + at} output={output} />)}
    </div>
  );
});

/** One frame for all widgets of the cell; it stays the same as long as what it shows does. */
const WidgetRange = memo(
  function WidgetRange({ outputs, first, end }: { outputs: Output[]; first: number; end: number }) {
    return <WidgetOutputs outputs={outputs.slice(first, end)} />;
  },
  (a, b) => a.first === b.first && a.end === b.end && a.outputs.slice(a.first, a.end).every((output, at) => output === b.outputs[b.first + at]),
);
