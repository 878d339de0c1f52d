import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { useOpen } from "../notebook/context";
import { browserLabel } from "../ui/browser_label";
import { Button } from "../ui/Button";
import { chosenName, LONGEST_NAME } from "../ui/my_name";

/** What the others see in the place of "Chrome on Linux": kept in this browser, for every notebook. */
export function MyName() {
  const { t } = useTranslation();
  const { session } = useOpen();
  const [name, setName] = useState(chosenName);
  const [shown, setShown] = useState(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setName(name.trim());
    setShown(name.trim());
    void session.callMe(name.trim());
  };
  return (
    <form className="my-name" onSubmit={submit}>
      <label>
        <span className="soft">{t("people.name")}</span>
        <input value={name} maxLength={LONGEST_NAME} placeholder={browserLabel(navigator.userAgent)} onChange={(event) => setName(event.target.value)} autoComplete="nickname" data-testid="my-name" />
      </label>
      <Button type="submit" disabled={name.trim() === shown} testId="my-name-set">
        {t("people.name_set")}
      </Button>
    </form>
  );
}
