import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "../../ui/Button";
import { CloseIcon } from "../../ui/icons";

/** An image that opens in full size. */
export function ZoomableImage({ src, alt }: { src: string; alt: string }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" className="zoom" title={t("output.zoom")} onClick={() => dialog.current?.showModal()} data-testid="zoom">
        <img className="output-image" src={src} alt={alt} />
      </button>
      <dialog ref={dialog} className="zoomed" aria-label={alt} onClick={() => dialog.current?.close()}>
        <IconButton label={t("app.close")}>
          <CloseIcon />
        </IconButton>
        <img src={src} alt="" loading="lazy" />
      </dialog>
    </>
  );
}
