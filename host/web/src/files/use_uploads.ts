import { useCallback, useRef, useState } from "react";
import { api, toWireError } from "../wire/http";
import type { WireError } from "../wire/types";

/** One file on its way into the served folder. */
export interface Upload {
  id: number;
  name: string;
  file: File;
  state: "waiting" | "sending" | "exists" | "failed";
  error?: WireError;
}

/** `notes.ipynb`, then `notes (2).ipynb`: a name beside one that is taken. */
export function nextName(name: string): string {
  const dot = name.lastIndexOf(".");
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  const counted = /^(.*) \((\d+)\)$/.exec(stem);
  return counted ? `${counted[1]} (${Number(counted[2]) + 1})${end}` : `${stem} (2)${end}`;
}

/** Sends files one after the other; what is there already waits for the person's word. */
export function useUploads(dir: string, onDone: () => void) {
  const [uploads, setUploads] = useState<Upload[]>([]);
  const counter = useRef(0);
  const queue = useRef<Promise<void>>(Promise.resolve());
  const done = useRef(onDone);
  done.current = onDone;
  const change = useCallback((id: number, to: Partial<Upload> | null) => {
    setUploads((known) => (to === null ? known.filter((one) => one.id !== id) : known.map((one) => (one.id === id ? { ...one, ...to } : one))));
  }, []);
  const send = useCallback(
    (upload: Upload, overwrite: boolean, beside = false) => {
      const run = async () => {
        let { name } = upload;
        change(upload.id, { state: "sending", error: undefined });
        for (;;) {
          try {
            await api.upload(dir ? `${dir}/${name}` : name, upload.file, overwrite);
            change(upload.id, null);
            done.current();
            return;
          } catch (reason) {
            const error = toWireError(reason);
            if (error.code === "path_exists" && beside) {
              name = nextName(name);
              change(upload.id, { name });
              continue;
            }
            change(upload.id, error.code === "path_exists" ? { state: "exists" } : { state: "failed", error });
            return;
          }
        }
      };
      queue.current = queue.current.then(run);
    },
    [dir, change],
  );
  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        counter.current += 1;
        const upload: Upload = { id: counter.current, name: file.name, file, state: "waiting" };
        setUploads((known) => [...known, upload]);
        send(upload, false);
      }
    },
    [send],
  );
  return {
    uploads,
    add,
    replace: (upload: Upload) => send(upload, true),
    keepBoth: (upload: Upload) => send({ ...upload, name: nextName(upload.name) }, false, true),
    forget: (upload: Upload) => change(upload.id, null),
  };
}
