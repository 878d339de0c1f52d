import type { TFunction } from "i18next";
import { createContext, useContext } from "react";
import { i18n } from "../i18n";
import { useStore } from "../store/store";
import type { SessionState } from "../store/session_state";
import type { Actions } from "../session/actions";
import type { Session } from "../session/session";
import type { NotebookUi, NotebookUiState } from "./notebook_ui";

/** What every part of an open notebook works with. */
export interface Open {
  session: Session;
  actions: Actions;
  ui: NotebookUi;
}

export const OpenContext = createContext<Open | null>(null);

export function useOpen(): Open {
  const open = useContext(OpenContext);
  if (!open) throw new Error("used outside an open notebook");
  return open;
}

/** The words for the cells, asked for once for all of them: a subscription to the language in each part of each cell costs more than the cell. */
export const WordsContext = createContext<TFunction>(i18n.t);

export function useWords(): TFunction {
  return useContext(WordsContext);
}

export function useSession<R>(select: (state: SessionState) => R): R {
  return useStore(useOpen().session.store, select);
}

export function useUi<R>(select: (state: NotebookUiState) => R): R {
  return useStore(useOpen().ui.store, select);
}
