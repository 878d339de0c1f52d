import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import { useOpen, useSession } from "./context";

interface Variable {
  name: string;
  type: string;
  /** Of an array or table, or the one length of anything else that has one. */
  shape?: number[];
  value?: string;
}

type Found = { variables: Variable[]; more: number } | { why: "unsupported" | "no_kernel" | "other"; message: string };

function read(content: unknown): Found {
  const { variables, more, error } = (content ?? {}) as { variables?: Variable[]; more?: number; error?: string };
  return Array.isArray(variables) ? { variables, more: more ?? 0 } : { why: "other", message: error ?? "" };
}

/** What the kernel has in its variables: asked when it comes to rest, and when somebody wants to know. */
export function Variables() {
  const { t } = useTranslation();
  const { session } = useOpen();
  const state = useSession((known) => known.kernel.state);
  const [found, setFound] = useState<Found | null>(null);
  const ask = useCallback(async () => {
    const reply = await session.command("variables", {}, "read");
    if (reply.ok) return read((reply as unknown as { content?: unknown }).content);
    const code = reply.error?.code ?? "";
    const why = code === "unsupported" ? "unsupported" : code === "no_kernel" ? "no_kernel" : "other";
    return { why, message: reply.error?.message ?? "" } as Found;
  }, [session]);
  useEffect(() => {
    if (state === "none" || state === "dead" || state === "starting" || state === "restarting") {
      setFound({ why: "no_kernel", message: "" });
      return;
    }
    // A busy kernel answers when it is done, and then it is asked anyway.
    if (state !== "idle") return;
    let current = true;
    void ask().then((next) => current && setFound(next));
    return () => {
      current = false;
    };
  }, [state, ask]);
  return (
    <section className="side-section" aria-label={t("panel.variables")} data-testid="variables">
      <h2>{t("panel.variables")}</h2>
      {found && "why" in found && <p className="soft">{found.why === "unsupported" ? t("variables.unsupported") : found.why === "no_kernel" ? t("variables.no_kernel") : found.message}</p>}
      {found && "variables" in found && found.variables.length === 0 && <p className="soft">{t("variables.none")}</p>}
      {found && "variables" in found && (
        <dl className="variables">
          {found.variables.map((one) => (
            <div key={one.name} data-testid="variable">
              <dt>{one.name}</dt>
              <dd>
                <span className="soft">{[one.type, one.shape?.join(" × ")].filter(Boolean).join(" · ")}</span>
                {one.value !== undefined && <code>{one.value}</code>}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {found && "variables" in found && found.more > 0 && <p className="soft">{t("variables.more", { count: found.more })}</p>}
      {state === "busy" && <p className="soft">{t("variables.busy")}</p>}
      {state === "idle" && (
        <Button onClick={() => void ask().then(setFound)} testId="variables-refresh">
          {t("variables.refresh")}
        </Button>
      )}
    </section>
  );
}
