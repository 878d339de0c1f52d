import { useRef, useState, type DragEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { UploadIcon } from "../ui/icons";
import type { useUploads } from "./use_uploads";

type Uploading = ReturnType<typeof useUploads>;

export function UploadButton({ uploading }: { uploading: Uploading }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button onClick={() => input.current?.click()} testId="upload">
        <UploadIcon /> {t("files.upload")}
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={t("files.upload")}
        data-testid="upload-input"
        onChange={(event) => {
          uploading.add([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </>
  );
}

const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes("Files");

/** Files that are dragged over the page may be dropped; `over` says so. */
export function useDropping(uploading: Uploading | null) {
  const [over, setOver] = useState(false);
  if (!uploading) return { over: false, handlers: {} };
  const handlers = {
    onDragOver(event: DragEvent) {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      setOver(true);
    },
    onDragLeave(event: DragEvent) {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
    },
    onDrop(event: DragEvent) {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      setOver(false);
      // A folder comes as a file without content and cannot be read as one.
      const folders = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()?.isDirectory === true);
      uploading.add([...event.dataTransfer.files].filter((_, at) => !folders[at]));
    },
  };
  return { over, handlers };
}

/** What is on its way, and what waits for a word: nothing is ever replaced unasked. */
export function UploadList({ uploading }: { uploading: Uploading }) {
  const { t } = useTranslation();
  if (uploading.uploads.length === 0) return null;
  return (
    <div role="status" data-testid="uploads">
      <ul className="uploads">
        {uploading.uploads.map((upload) => (
          <li key={upload.id} data-state={upload.state}>
            {upload.state === "failed" && upload.error ? (
              <ErrorNote error={upload.error} onDismiss={() => uploading.forget(upload)} />
            ) : upload.state === "exists" ? (
              <div className="trouble" role="group" aria-label={upload.name}>
                <span>{t("files.exists", { name: upload.name })}</span>
                <div className="trouble-actions">
                  <Button onClick={() => uploading.keepBoth(upload)} testId="upload-both">
                    {t("files.keep_both")}
                  </Button>
                  <Button onClick={() => uploading.replace(upload)} testId="upload-replace">
                    {t("files.replace")}
                  </Button>
                  <Button onClick={() => uploading.forget(upload)} testId="upload-skip">
                    {t("app.cancel")}
                  </Button>
                </div>
              </div>
            ) : (
              <span className="soft">{t("files.uploading", { name: upload.name })}</span>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
