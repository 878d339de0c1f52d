import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "./Link";

interface HeaderProps {
  title: string;
  path?: string;
  /** Said beside the title. */
  note?: string;
  children?: ReactNode;
}

export function Header({ title, path, note, children }: HeaderProps) {
  const { t } = useTranslation();
  const folder = path?.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  return (
    <header className="header">
      <Link to={{ dir: folder }} className="home" label={t("app.home")}>
        <img src="/lectern.svg" alt="" width="26" height="26" />
      </Link>
      <div className="title" title={path}>
        {title}
        {note && (
          <span className="title-note" data-testid="title-note">
            {" "}
            {note}
          </span>
        )}
      </div>
      <div className="header-right">{children}</div>
    </header>
  );
}
