// Times in one time zone, as people read them, and where a time axis has its ticks. Pure.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** Distances of ticks, of which the first is taken that leaves few enough of them. */
const STEPS_MS = [
  1, 2, 5, 10, 15, 30, 60, 2 * 60, 3 * 60, 6 * 60, 12 * 60, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 30 * 1440,
].map((minutes) => minutes * MINUTE_MS);
const pad = (n) => String(n).padStart(2, "0");

/** Times of the zone `name` of the IANA's list; "" for the browser's own. */
export class Zone {
  constructor(name) {
    this.name = name || Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.format = new Intl.DateTimeFormat("en-GB", {
      timeZone: this.name, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
  }

  /** {year, month, day, hour, minute, second} as numbers. */
  parts(ms) {
    const parts = {};
    for (const { type, value } of this.format.formatToParts(ms)) parts[type] = Number(value);
    return parts;
  }

  /** How far this zone is ahead of UTC at `ms`, in minutes. */
  offsetMinutes(ms) {
    const { year, month, day, hour, minute } = this.parts(ms);
    const here = Date.UTC(year, month - 1, day, hour, minute);
    return (here - Math.floor(ms / MINUTE_MS) * MINUTE_MS) / MINUTE_MS;
  }

  /** The moment of a wall clock's "2026-11-21T14:05" here, in ms; NaN for no such text. */
  momentMs(wall) {
    const asUtc = Date.parse(`${wall}Z`);
    if (Number.isNaN(asUtc)) return NaN;
    const guess = asUtc - this.offsetMinutes(asUtc) * MINUTE_MS;
    return asUtc - this.offsetMinutes(guess) * MINUTE_MS;
  }

  /** "2026-11-21T14:05", what an input of a time wants. */
  wall(ms) {
    return `${this.date(ms)}T${this.hourMinute(ms)}`;
  }

  /** "14:05". */
  hourMinute(ms) {
    const { hour, minute } = this.parts(ms);
    return `${pad(hour)}:${pad(minute)}`;
  }

  /** "14:05:09". */
  hourMinuteSecond(ms) {
    return `${this.hourMinute(ms)}:${pad(this.parts(ms).second)}`;
  }

  /** "2026-11-21". */
  date(ms) {
    const { year, month, day } = this.parts(ms);
    return `${year}-${pad(month)}-${pad(day)}`;
  }

  /** "2026-11-21 14:05". */
  dateTime(ms) {
    return `${this.date(ms)} ${this.hourMinute(ms)}`;
  }

  /** "14:05" today, "2026-11-20 14:05" on other days. */
  moment(ms, nowMs) {
    return this.date(ms) === this.date(nowMs) ? this.hourMinute(ms) : this.dateTime(ms);
  }

  /** Bounds of a bucket: "14:00–15:00", with the day before it unless it is today; full days alone. */
  span(startMs, endMs, nowMs) {
    const [first, last] = [this.hourMinute(startMs), this.hourMinute(endMs)];
    if (first === "00:00" && last === "00:00" && endMs - startMs > 23 * HOUR_MS) return this.date(startMs);
    const day = this.date(startMs) === this.date(nowMs) ? "" : `${this.date(startMs)} `;
    return `${day}${first}–${last}`;
  }

  /** "UTC+7", "UTC+5:30", "UTC" at `ms`. */
  label(ms) {
    const parts = new Intl.DateTimeFormat("en", { timeZone: this.name, timeZoneName: "shortOffset" }).formatToParts(ms);
    return parts.find(({ type }) => type === "timeZoneName").value.replace(/^GMT(\+0$)?/, "UTC").replace("-", "−");
  }

  /** Moments of [startMs, endMs] for an axis with at most `max` labels: round ones of this zone. */
  ticks(startMs, endMs, max) {
    const step = STEPS_MS.find((each) => (endMs - startMs) / each <= Math.max(1, max)) ?? STEPS_MS.at(-1);
    const ticks = [];
    // Around the zone's midnights, so that a change of its clocks moves no tick off the round hour.
    for (let day = this.#midnight(startMs); day <= endMs; day = this.#midnight(day + 36 * HOUR_MS)) {
      const number = Math.floor((day + this.offsetMinutes(day) * MINUTE_MS) / DAY_MS);
      if (step >= DAY_MS) {
        if (number % (step / DAY_MS) === 0) ticks.push(day);
        continue;
      }
      const next = this.#midnight(day + 36 * HOUR_MS);
      for (let at = day; at < next - step / 2; at += step) ticks.push(at);
    }
    return ticks.filter((ms) => ms >= startMs && ms <= endMs);
  }

  /** What stands under a tick: the day at midnight, else the hour. */
  tickLabel(ms) {
    const { month, day, hour, minute } = this.parts(ms);
    return hour === 0 && minute === 0 ? `${day} ${MONTHS[month - 1]}` : `${pad(hour)}:${pad(minute)}`;
  }

  #midnight(ms) {
    return this.momentMs(`${this.date(ms)}T00:00`);
  }
}
