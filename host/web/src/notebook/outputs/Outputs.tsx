import { memo } from "react";
import type { Output } from "../../wire/types";
import { OutputView } from "./OutputView";

export const Outputs = memo(function Outputs({ outputs, label }: { outputs: Output[]; label: string }) {
  if (outputs.length === 0) return null;
  return (
    <div className="outputs" role="region" aria-label={label} data-testid="outputs">
      {outputs.map((output, at) => (
        <OutputView key={at} output={output} />
      ))}
    </div>
  );
});
