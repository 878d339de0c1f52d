import { useId, useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import type { InputRequest } from "../wire/types";
import { useOpen, useSession } from "./context";

/** The kernel's question (`input()`, `getpass()`), answered in place by whoever may interact. */
export function InputPrompt({ input }: { input: InputRequest }) {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const canAnswer = useSession((state) => state.capabilities.interact);
  // Whoever runs the code is being asked; a reader who may answer too is not dragged there.
  const takesFocus = useSession((state) => state.capabilities.edit && state.capabilities.interact);
  const [value, setValue] = useState("");
  const field = useId();
  const answer = (event: FormEvent) => {
    event.preventDefault();
    void actions.input(input.request_id, value);
  };
  return (
    <form className="input-prompt" onSubmit={answer} data-testid="input-prompt">
      <label htmlFor={field}>{input.prompt || t("prompt.label")}</label>
      <input
        id={field}
        type={input.password ? "password" : "text"}
        autoComplete="off"
        autoFocus={takesFocus}
        disabled={!canAnswer}
        value={value}
        onChange={(event) => setValue(event.target.value)}
        onKeyDown={(event) => event.stopPropagation()}
      />
      <Button type="submit" disabled={!canAnswer}>
        {t("prompt.send")}
      </Button>
    </form>
  );
}
