import { useId } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "../ui/ErrorNote";
import type { WireError } from "../wire/types";
import { asText, type Field } from "./config_form";

/** One setting: its name, what it means, and what is wrong with it. */
export function ConfigField({ field, value, error, onChange }: { field: Field; value: string; error: WireError | null; onChange(value: string): void }) {
  const { t } = useTranslation();
  const id = useId();
  const unset = field.fallback ? t("settings.default", { value: field.fallback }) : t("settings.unset");
  const common = { id, "aria-describedby": `${id}-about`, "aria-invalid": error ? true : undefined, "aria-required": field.required || undefined, "data-testid": `setting-${field.name}` };
  return (
    <div className="setting">
      <label htmlFor={id}>
        <code>{field.name}</code>
        {field.required && <span className="soft"> {t("settings.required")}</span>}
      </label>
      {field.kind === "choice" || field.kind === "yes_no" ? (
        <select {...common} value={value} onChange={(event) => onChange(event.target.value)}>
          <option value="">{unset}</option>
          {(field.kind === "yes_no" ? ["true", "false"] : field.choices.map(asText)).map((choice) => (
            <option key={choice} value={choice}>
              {field.kind === "choice" ? choice : t(choice === "true" ? "settings.yes" : "settings.no")}
            </option>
          ))}
        </select>
      ) : (
        <input {...common} type={field.kind === "number" ? "number" : "text"} step={field.whole ? 1 : "any"} min={field.minimum} max={field.maximum} value={value} placeholder={unset} onChange={(event) => onChange(event.target.value)} />
      )}
      <span className="soft setting-about" id={`${id}-about`}>
        {field.description}
      </span>
      {error && <ErrorNote error={error} />}
    </div>
  );
}
