// Half characters (lone surrogates), and what travels in their place.

const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const STAND_IN = "\uFDD0";  // a character that no text has

export function mended(text) {
  return text.replace(HALF, STAND_IN);
}
