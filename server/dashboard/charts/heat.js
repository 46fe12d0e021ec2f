// How strongly a cell of a heat map is coloured. Pure. The share is of a mix with the background, in
// per cent, and never so high that the text on it would be hard to read.

const LEAST = 6;
const MOST = 48;

/** By the logarithm: one waiting recipient is seen beside ten thousand. 0 has no colour. */
export function logarithmic(count, most) {
  if (!count || count < 0) return 0;
  const share = Math.log1p(count) / Math.log1p(Math.max(most, count));
  return LEAST + (MOST - LEAST) * share;
}

/** In proportion, of a scale that ends at `most`. */
export function proportional(value, most) {
  if (!value || value < 0 || most <= 0) return 0;
  return LEAST + (MOST - LEAST) * Math.min(1, value / most);
}
