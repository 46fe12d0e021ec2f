// Colour strength of the cells of heat maps. Pure. The share is that of a mix with the background, in
// percent, low enough for the text on it to stay readable.

const MIN_SHARE = 6;
const MAX_SHARE = 48;

/** By the logarithm: one waiting recipient is seen beside ten thousand. 0 has no colour. */
export function logarithmic(count, max) {
  if (!count || count < 0) return 0;
  const share = Math.log1p(count) / Math.log1p(Math.max(max, count));
  return MIN_SHARE + (MAX_SHARE - MIN_SHARE) * share;
}

/** In proportion, of a scale that ends at `max`. */
export function proportional(value, max) {
  if (!value || value < 0 || max <= 0) return 0;
  return MIN_SHARE + (MAX_SHARE - MIN_SHARE) * Math.min(1, value / max);
}
