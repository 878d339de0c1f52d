import { useLayoutEffect, useRef } from "react";

interface AheadFieldProps {
  label: string;
  /** Takes what was composed, or written without keys. */
  onText(text: string): void;
  composing: boolean;
  setComposing(composing: boolean): void;
}

/**
 * Has the focus in the place of an editor that is on its way: input methods and the keyboards of phones write into fields alone. Keys are taken before they
 * come here; what is composed goes to the editor as a whole. It is seen only while something is being composed.
 */
export function AheadField({ label, onText, composing, setComposing }: AheadFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current?.focus({ preventScroll: true }), []);
  const take = () => {
    const text = field.current?.value;
    if (!text) return;
    field.current!.value = "";
    onText(text);
  };
  return (
    <textarea
      ref={field}
      className={composing ? "ahead-field ahead-composing" : "ahead-field"}
      aria-label={label}
      rows={1}
      tabIndex={-1}
      autoCapitalize="off"
      autoCorrect="off"
      spellCheck={false}
      onCompositionStart={() => setComposing(true)}
      onCompositionEnd={() => {
        take();
        setComposing(false);
      }}
      onInput={(event) => !(event.nativeEvent as InputEvent).isComposing && take()}
      data-testid="ahead-field"
    />
  );
}
