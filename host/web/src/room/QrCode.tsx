import { useEffect, useState } from "react";

/** The code that draws it loads with the first one. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const [drawn, setDrawn] = useState<{ path: string; size: number } | null>(null);
  useEffect(() => {
    let current = true;
    void import("./qr").then(({ qrPath }) => current && setDrawn(qrPath(text)));
    return () => {
      current = false;
    };
  }, [text]);
  if (!drawn) return null;
  return (
    <svg className="qr" viewBox={`0 0 ${drawn.size} ${drawn.size}`} role="img" aria-label={label} shapeRendering="crispEdges" data-testid="qr">
      <rect width={drawn.size} height={drawn.size} fill="#fff" />
      <path d={drawn.path} fill="#000" />
    </svg>
  );
}
