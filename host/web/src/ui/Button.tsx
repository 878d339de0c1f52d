import type { ReactNode } from "react";

interface ButtonProps {
  children: ReactNode;
  onClick?: () => void;
  kind?: "primary" | "plain";
  disabled?: boolean;
  type?: "button" | "submit";
  testId?: string;
  title?: string;
  /** Where the words alone do not say of what. */
  label?: string;
}

export function Button({ children, onClick, kind = "plain", disabled, type = "button", testId, title, label }: ButtonProps) {
  return (
    <button type={type} className={`button button-${kind}`} onClick={onClick} disabled={disabled} data-testid={testId} title={title} aria-label={label}>
      {children}
    </button>
  );
}

interface IconButtonProps {
  label: string;
  children: ReactNode;
  onClick?: () => void;
  disabled?: boolean;
  testId?: string;
  keys?: string;
  /** Buttons of cells stay out of the tab order: the keyboard has its own ways there. */
  skipTab?: boolean;
}

export function IconButton({ label, children, onClick, disabled, testId, keys, skipTab }: IconButtonProps) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={keys ? `${label} (${keys})` : label}
      onClick={onClick}
      disabled={disabled}
      data-testid={testId}
      tabIndex={skipTab ? -1 : undefined}
    >
      {children}
    </button>
  );
}
