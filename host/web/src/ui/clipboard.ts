/** The clipboard API needs a secure context; plain HTTP on a LAN has only the old way. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  // Beside the focus, so that an open dialog does not keep it out.
  (document.activeElement?.closest("dialog") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
