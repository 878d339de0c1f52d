/** Hands bytes to the browser as a file of that name. */
export function keepAs(name: string, bytes: Blob): void {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has the bytes once it has begun; a minute is longer than any dialog needs to open.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
