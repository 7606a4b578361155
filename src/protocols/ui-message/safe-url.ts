/** Schemes that a page may put into a link or an image as they are. */
const schemes = ["http:", "https:", "data:", "blob:"];

/** Whether a URL that a model or a tool wrote does nothing when it is followed but show something. */
export function isSafeUrl(url: string): boolean {
  try {
    // What is relative is the page's own.
    return schemes.includes(new URL(url, "https://page.invalid/").protocol);
  } catch {
    return false;
  }
}

/** A file's bytes, Base64, as a URL. */
export function dataUrl(mediaType: string, data: string): string {
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(mediaType) ? mediaType : "application/octet-stream";
  return `data:${type};base64,${data}`;
}
