import type { MouseEvent, ReactNode } from "react";
import { navigate } from "./navigation";
import { routeUrl, type Route } from "./route";

interface LinkProps {
  to: Partial<Route>;
  className?: string;
  label?: string;
  children: ReactNode;
}

/** A link inside the page: no reload, and still a link for new tabs. */
export function Link({ to, className, label, children }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={routeUrl(to)} className={className} aria-label={label} onClick={follow}>
      {children}
    </a>
  );
}
