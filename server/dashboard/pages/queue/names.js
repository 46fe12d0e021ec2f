// How the parts of the mail queue are called. Pure.

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
const REASONS = {
  recipient: "no such recipient",
  full: "mailbox full",
  size: "too large",
  sender: "sender refused",
  rate: "rate limited",
  network: "network",
};

function short(seconds) {
  const [unit, name] = UNITS.find(([size]) => seconds >= size && seconds % size === 0) ?? [1, "s"];
  return [seconds / unit, name];
}

/** The bracket of ages from one bound to the next: "< 1 min", "5–30 min", "30 min – 1 h", "> 1 d". */
export function ageName(fromS, upToS) {
  if (upToS === null) return `> ${short(fromS).join(" ")}`;
  if (!fromS) return `< ${short(upToS).join(" ")}`;
  const [[from, fromUnit], [to, toUnit]] = [short(fromS), short(upToS)];
  return fromUnit === toUnit ? `${from}–${to} ${toUnit}` : `${from} ${fromUnit} – ${to} ${toUnit}`;
}

/** The names of all brackets of these bounds. */
export function ageNames(bounds) {
  return bounds.map((bound, i) => ageName(i ? bounds[i - 1] : 0, bound));
}

/** A class of reasons in words. */
export function reasonName(name) {
  return REASONS[name] ?? name;
}
