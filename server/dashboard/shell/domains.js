// Domains as they are shown: in U-labels (RFC 5890). As server/events/domains.py. Pure.

const PREFIX = "xn--";
const [BASE, T_MIN, T_MAX, SKEW, DAMP, FIRST_BIAS, FIRST_CODE] = [36, 1, 26, 38, 700, 72, 128];
const DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";
const MAX_LABEL = 63;
/** A control character or a space would make the name look like another. */
const NAME = /^[\p{L}\p{M}\p{N}-]+$/u;

/** The domain in U-labels, where they are letters, digits and hyphens alone. */
export function shownDomain(domain) {
  return domain ? domain.split(".").map(uLabel).join(".") : domain;
}

function uLabel(label) {
  if (!label.startsWith(PREFIX) || label.length > MAX_LABEL) return label;
  const decoded = decode(label.slice(PREFIX.length));
  return decoded !== null && NAME.test(decoded) ? decoded : label;
}

/** RFC 3492, section 6.2; null for what is no Punycode. */
function decode(text) {
  const end = text.lastIndexOf("-");
  const codes = end > 0 ? [...text.slice(0, end)].map((each) => each.codePointAt(0)) : [];
  let [code, bias, position, at] = [FIRST_CODE, FIRST_BIAS, 0, end + 1];
  while (at < text.length) {
    const before = position;
    for (let weight = 1, k = BASE; ; k += BASE) {
      const digit = at < text.length ? DIGITS.indexOf(text[at++]) : -1;
      if (digit < 0) return null;
      position += digit * weight;
      const threshold = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (digit < threshold) break;
      weight *= BASE - threshold;
    }
    const count = codes.length + 1;
    bias = adapt(position - before, count, before === 0);
    code += Math.floor(position / count);
    position %= count;
    if (code > 0x10ffff) return null;
    codes.splice(position++, 0, code);
  }
  return String.fromCodePoint(...codes);
}

function adapt(delta, count, isFirst) {
  let rest = Math.floor(delta / (isFirst ? DAMP : 2));
  rest += Math.floor(rest / count);
  let k = 0;
  for (; rest > Math.floor(((BASE - T_MIN) * T_MAX) / 2); k += BASE) rest = Math.floor(rest / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * rest) / (rest + SKEW));
}
