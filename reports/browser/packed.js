// What the page carries in its templates: base64 of gzip of JSON.

/** Bytes, gunzipped. */
async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The value of the template with this id. */
async function unpack(id) {
  const base64 = document.getElementById(id).content.textContent.trim();
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(base64) : decoded(atob(base64));
  return JSON.parse(new TextDecoder().decode(await gunzip(bytes)));
}

function decoded(binary) {
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
